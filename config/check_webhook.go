package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// webhook checks a receiver of final answers.
func (c *checker) webhook(at path, w *candorv1.Webhook) {
	c.receiver(at.field("url"), w.GetUrl(), w.GetAllowPrivate(), "https://example.com/candor")
	for i, name := range w.GetModels() {
		refer(c, at.field("models").item(i), "model", name, "models", c.cfg.GetModels())
	}
	for i, name := range w.GetConsumers() {
		refer(c, at.field("consumers").item(i), "consumer", name, "consumers", c.cfg.GetConsumers())
	}
}

// receiver checks where webhooks and alerts are sent. An address that is written as a number is judged here; what a name leads to,
// when it is dialled.
func (c *checker) receiver(at path, address string, allowPrivate bool, example string) {
	if address == "" || c.lost(at) {
		return
	}
	u, err := url.Parse(address)
	switch {
	case err != nil || !u.IsAbs():
		// The rule on URLs has said so.
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		c.complain(at, fmt.Sprintf("%q is not an http or https URL", abridged(address)), "write one such as "+example)
	case u.User != nil:
		c.complain(at, "has a user or a password, which would stand in lists and logs", "take it out; the receiver knows us by the signature")
	case u.Fragment != "":
		c.complain(at, "has a fragment, which is never sent", "take out what follows #")
	case allowPrivate || c.lost(at[:len(at)-1].field("allow_private")):
	case u.Scheme == "http":
		c.complain(at, "would be sent in plain text", "write https, or allow_private: true if the way there is inside")
	case u.Hostname() == "localhost" || insideLiteral(u.Hostname()):
		c.complain(at, fmt.Sprintf("%q points inside, and nothing is sent there", abridged(u.Hostname())), "write a public address, or allow_private: true")
	}
}

// insideLiteral says that the host is an address that no public receiver has, as far as it can be told without the senders' list.
func insideLiteral(host string) bool {
	a, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	a = a.Unmap()
	return a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified()
}

// secrets warns about webhooks that nobody can give a secret: nothing is sent to them.
func (c *checker) secrets() {
	if len(c.cfg.GetWebhooks()) == 0 || c.cfg.GetPeople() != nil || c.lostWithin(top("operators")) {
		return
	}
	for _, o := range c.cfg.GetOperators() {
		if slices.Contains(o.GetRoles(), candorv1.Role_ROLE_ADMIN) {
			return
		}
	}
	c.warn(top("webhooks"), "nobody may make their secrets, without which nothing is sent", "declare an operator with the role admin")
}

package config

import (
	"fmt"
	"slices"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// afterTrip checks who is told of a limit's trips, and who resets it.
func (c *checker) afterTrip(at path, limit *candorv1.LimitConfig) {
	alerts := limit.GetAlerts()
	c.repeated("the receiver", len(alerts),
		func(i int) string { return alerts[i].GetName() },
		func(i int) path { return at.field("alerts").item(i).field("name") })
	for i, a := range alerts {
		here := at.field("alerts").item(i)
		c.receiver(here.field("webhook"), a.GetWebhook(), a.GetAllowPrivate(), "https://alerts.example.com/candor")
		c.receiver(here.field("alertmanager"), a.GetAlertmanager(), a.GetAllowPrivate(), "https://alertmanager.example.com")
		if a.GetName() == legacyReceiver && limit.GetWebhook() != "" {
			c.complain(here.field("name"), fmt.Sprintf("%q is the name of the limit's webhook", legacyReceiver), "choose another, or move the webhook's URL here")
		}
		switch file := a.GetSecretFile(); {
		case file == "":
		case a.GetAlertmanager() != "":
			c.complain(here.field("secret_file"), "signs webhooks, and an Alertmanager checks no signature", "take it out")
		case c.files:
			c.readable(here.field("secret_file"), file)
		}
		if a.GetRepeatEvery() != nil && a.GetAlertmanager() == "" && a.GetWebhook() != "" {
			c.complain(here.field("repeat_every"), "is how often an Alertmanager is told again, and a webhook is told once", "take it out")
		}
	}
	if limit.GetReset_().GetPeople() != 2 || c.cfg.GetPeople() != nil || c.lostWithin(top("operators")) || c.lost(at.field("reset").field("people")) {
		return
	}
	if n := c.resetters(); n < 2 {
		c.complain(at.field("reset").field("people"), fmt.Sprintf("is 2, and there is %d with the role operator and a proved identity: nobody could reset the limit", n),
			"declare another operator, or write 1")
	}
}

// legacyReceiver is the name under which a limit's webhook is among its receivers.
const legacyReceiver = "webhook"

// resetters counts the operators who can tell themselves apart: by what proves them, not by name.
func (c *checker) resetters() int {
	proofs := map[string]bool{}
	for _, o := range c.cfg.GetOperators() {
		if !slices.ContainsFunc(o.GetRoles(), mayReset) {
			continue
		}
		switch proof := o.GetIdentity().GetProof().(type) {
		case *candorv1.Identity_MtlsSan:
			proofs["san "+proof.MtlsSan] = true
		case *candorv1.Identity_TokenSha256:
			proofs["token "+proof.TokenSha256] = true
		}
	}
	return len(proofs)
}

func mayReset(r candorv1.Role) bool {
	return r == candorv1.Role_ROLE_OPERATOR || r == candorv1.Role_ROLE_ADMIN
}

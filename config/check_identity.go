package config

import (
	"net"
	"slices"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// emptyTokenSHA256 is the digest of nothing, which is what hashing an unset variable gives.
const emptyTokenSHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// principals checks consumers and operators: that each can be told from all others.
func (c *checker) principals() {
	if len(c.cfg.GetConsumers()) == 0 && !c.lostWithin(top("consumers")) {
		c.complain(top("consumers"), "nobody may call", "declare a consumer, with an identity and the models that it may call")
	}
	proofs := map[string]path{}
	anonymous := 0
	for _, name := range names(c.cfg.GetConsumers()) {
		at, consumer := top("consumers").key(name), c.cfg.GetConsumers()[name]
		c.identity(at.field("identity"), consumer.GetIdentity(), proofs)
		if consumer.GetIdentity().GetAnonymous() {
			if anonymous++; anonymous > 1 {
				c.complain(at.field("identity").field("anonymous"), "another consumer is anonymous already",
					"give it a mtls_san or a token_sha256, or merge the two")
			}
		}
		c.contents(at.field("contents"), consumer)
		for i, model := range consumer.GetModels() {
			if model != "*" {
				refer(c, at.field("models").item(i), "model", model, "models", c.cfg.GetModels())
			}
		}
	}
	anonymous = 0
	for _, name := range names(c.cfg.GetOperators()) {
		at, operator := top("operators").key(name), c.cfg.GetOperators()[name]
		c.identity(at.field("identity"), operator.GetIdentity(), proofs)
		if _, both := c.cfg.GetConsumers()[name]; both {
			c.complain(at, "a consumer has the same name", "give one of them another, so that a record says who it was")
		}
		if operator.GetIdentity().GetAnonymous() {
			anonymous++
			c.anonymousOperator(at.field("identity").field("anonymous"), anonymous)
		}
	}
}

func (c *checker) anonymousOperator(at path, nth int) {
	if nth > 1 {
		c.complain(at, "another operator is anonymous already", "give it a mtls_san or a token_sha256, or merge the two")
	}
	grpc := c.cfg.GetListen().GetGrpc()
	if host, _, err := net.SplitHostPort(grpc); err == nil && !isLoopback(host) {
		c.complain(at, "anybody who reaches "+grpc+" could review and reset limits",
			"give it a mtls_san or a token_sha256, or listen on 127.0.0.1")
	}
}

// identity checks one proof; proofs are those of the principals before it.
func (c *checker) identity(at path, identity *candorv1.Identity, proofs map[string]path) {
	var proof string
	switch by := identity.GetProof().(type) {
	case *candorv1.Identity_MtlsSan:
		at = at.field("mtls_san")
		proof = "san " + by.MtlsSan
		if c.cfg.GetListen().GetTls().GetClientCaFile() == "" && !c.lost(top("listen").field("tls").field("client_ca_file")) {
			c.complain(at, "no client can present a certificate", "add listen.tls.client_ca_file, or give it a token_sha256")
		}
	case *candorv1.Identity_TokenSha256:
		at = at.field("token_sha256")
		proof = "token " + by.TokenSha256
		if by.TokenSha256 == emptyTokenSHA256 {
			c.complain(at, "is the digest of an empty token", "run `candor token` for a new one")
		}
	default:
		return
	}
	if other, taken := proofs[proof]; taken {
		c.complain(at, other.String()+" proves itself in the same way", "give each an identity of its own, or merge the two")
		return
	}
	proofs[proof] = at[:2]
}

// includes says whether one of the roles is the wanted one or includes it, as docs/people.md has it: config knows nothing of the
// package that acts by it.
func includes(roles []candorv1.Role, want candorv1.Role) bool {
	return slices.ContainsFunc(roles, func(r candorv1.Role) bool {
		return r == want || r == candorv1.Role_ROLE_ADMIN || r == candorv1.Role_ROLE_SENIOR && want == candorv1.Role_ROLE_REVIEWER
	})
}

// staff warns about work that nobody has the role for.
func (c *checker) staff() {
	if c.lostWithin(top("operators")) || c.cfg.GetPeople() != nil || c.lost(top("people")) {
		return
	}
	has := map[candorv1.Role]bool{}
	for _, operator := range c.cfg.GetOperators() {
		for _, role := range []candorv1.Role{candorv1.Role_ROLE_REVIEWER, candorv1.Role_ROLE_OPERATOR} {
			has[role] = has[role] || includes(operator.GetRoles(), role)
		}
	}
	if len(c.cfg.GetQueues()) > 0 && !has[candorv1.Role_ROLE_REVIEWER] {
		c.warn(top("queues"), "nobody may review: every item will expire", "declare an operator with the role reviewer")
	}
	for name, backend := range c.cfg.GetBackends() {
		if at := top("backends").key(name).field("allow"); len(backend.GetAllow()) > 0 && !has[candorv1.Role_ROLE_OPERATOR] && !c.lost(at) {
			c.warn(at, "nobody may use it", "declare an operator with the role operator")
		}
	}
	if len(c.cfg.GetLimits()) > 0 && !has[candorv1.Role_ROLE_OPERATOR] {
		c.warn(top("limits"), "nobody may reset a limit that has tripped", "declare an operator with the role operator")
	}
}

package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
)

// Principal is an authenticated caller: a consumer with grants, an operator with roles, or (the same proof under both
// headings) both. A name in a header or a flag never makes one.
type Principal struct {
	Name string
	// models is the grant: names, or "*"; nil: none.
	models []string
	roles  []candorv1.Role
	// queues that a person may work on; nil: all.
	queues []string
	// method by which a person proved who they are; empty: consumers and operators of the configuration.
	method string
	// anonymous: nobody has proved anything.
	anonymous bool
	// dialect and contents are what the configuration says about the consumer's client; unspecified: nothing.
	dialect  candorv1.Dialect
	contents candorv1.Contents
	// priority where there is too little room for all; unspecified: normal.
	priority candorv1.Priority
}

// mayUse says whether the principal has a grant for the model.
func (p *Principal) mayUse(model string) bool {
	return slices.Contains(p.models, "*") || slices.Contains(p.models, model)
}

// has says whether the principal has the role, or one that includes it.
func (p *Principal) has(role candorv1.Role) bool { return people.Includes(p.roles, role) }

// principals finds a caller by proof. Read-only after it is made.
type principals struct {
	bySAN       map[string]*Principal
	byTokenHash map[string]*Principal
	anonymous   *Principal
	// people know the tokens that the configuration doesn't; nil: nobody does.
	people People
	// tls has the authorities that client certificates must be of; nil: there are none.
	tls *serverTLS
}

func newPrincipals(cfg *candorv1.Config, people People, tls *serverTLS) *principals {
	ps := &principals{people: people, tls: tls, bySAN: map[string]*Principal{}, byTokenHash: map[string]*Principal{}}
	for name, c := range cfg.GetConsumers() {
		p := ps.find(name, c.GetIdentity())
		p.models, p.dialect, p.contents, p.priority = c.GetModels(), c.GetDialect(), c.GetContents(), c.GetPriority()
	}
	consumer := ps.anonymous
	for name, o := range cfg.GetOperators() {
		if o.GetIdentity().GetAnonymous() && consumer != nil {
			// Without credentials somebody is the consumer, who may do less; the operator is who uses pages without a login.
			continue
		}
		ps.find(name, o.GetIdentity()).roles = o.GetRoles()
	}
	return ps
}

// find answers the principal of this proof, made when new.
func (ps *principals) find(name string, id *candorv1.Identity) *Principal {
	p := &Principal{Name: name}
	switch proof := id.GetProof().(type) {
	case *candorv1.Identity_MtlsSan:
		if have, ok := ps.bySAN[proof.MtlsSan]; ok {
			return have
		}
		ps.bySAN[proof.MtlsSan] = p
	case *candorv1.Identity_TokenSha256:
		if have, ok := ps.byTokenHash[proof.TokenSha256]; ok {
			return have
		}
		ps.byTokenHash[proof.TokenSha256] = p
	case *candorv1.Identity_Anonymous:
		if ps.anonymous != nil {
			return ps.anonymous
		}
		ps.anonymous, p.anonymous = p, true
	}
	return p
}

// HashToken is the form in which the configuration holds a bearer token: hex SHA-256. Tokens are 256 random bits, so a slow
// hash would protect nothing that a fast one doesn't.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// identify answers who calls. A credential that is presented and unknown is refused even where anonymous callers are
// allowed: a revoked token must not turn into a weaker, working identity.
func (ps *principals) identify(ctx context.Context) (*Principal, error) {
	if p, ok, err := insidePerson(ctx); ok {
		return p, err
	}
	if tokens := incomingValues(ctx, "authorization"); len(tokens) > 0 {
		scheme, token, ok := strings.Cut(tokens[0], " ")
		if !ok || !strings.EqualFold(scheme, "bearer") || len(tokens) > 1 {
			return nil, unauthenticated("the authorization metadata is not one `Bearer TOKEN`")
		}
		if p, ok := ps.byTokenHash[HashToken(token)]; ok {
			return p, nil
		}
		return ps.ofPeople(ctx, token)
	}
	cert, presented := ps.clientCertificate(ctx)
	if cert != nil {
		for _, name := range alternativeNames(cert) {
			if p, ok := ps.bySAN[name]; ok {
				return p, nil
			}
		}
		return nil, unauthenticated("the client certificate names no declared consumer or operator")
	}
	if presented {
		return nil, unauthenticated("the client certificate is of an authority that is not trusted any more")
	}
	if ps.anonymous != nil {
		return ps.anonymous, nil
	}
	return nil, unauthenticated("there are no credentials")
}

func unauthenticated(why string) *Error {
	return errf(codes.Unauthenticated, candorv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED, "%s", why).
		with("remedy", "present a client certificate, or `authorization: Bearer TOKEN`, that is declared under consumers or operators, or a token of candor users token")
}

// clientCertificate is the one that the connection began with, if who signed it is still trusted: connections outlive the authorities that
// their chains were verified against. Only a verified chain proves anything; presented says that there was one.
func (ps *principals) clientCertificate(ctx context.Context) (_ *x509.Certificate, presented bool) {
	pr, ok := peer.FromContext(ctx)
	if !ok {
		return nil, false
	}
	info, ok := pr.AuthInfo.(credentials.TLSInfo)
	if !ok {
		return nil, false
	}
	for _, chain := range info.State.VerifiedChains {
		if len(chain) == 0 {
			continue
		}
		if presented = true; ps.tls.trusts(chain[len(chain)-1]) {
			return chain[0], true
		}
	}
	return nil, presented
}

func alternativeNames(cert *x509.Certificate) []string {
	names := slices.Concat(cert.DNSNames, cert.EmailAddresses)
	for _, u := range cert.URIs {
		names = append(names, u.String())
	}
	return names
}

// requireRole refuses a caller without any of the roles.
func requireRole(ctx context.Context, roles ...candorv1.Role) (*Principal, error) {
	p := principal(ctx)
	for _, r := range roles {
		if p.has(r) {
			return p, nil
		}
	}
	want := make([]string, len(roles))
	for i, r := range roles {
		want[i] = strings.ToLower(strings.TrimPrefix(r.String(), "ROLE_"))
	}
	list := strings.Join(want, " or ")
	return nil, errf(codes.PermissionDenied, candorv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED,
		"%q needs the role %s; an administrator can add it, under operators or with candor users update", p.Name, list).
		with("principal", p.Name).with("role", list)
}

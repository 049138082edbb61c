package gateway

import (
	"context"
	"encoding/json"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/candor-gateway/candor/internal/inside"
	"github.com/candor-gateway/candor/people"
)

// personKey is the metadata that says for whom a page calls. It is believed on the connection of InProcess only.
const personKey = "candor-person-bin"

// InProcess is a connection to the gateway's own services that no network carries: pages call through the same guards as
// everybody. Each call names its person by [OutgoingAs]; without, it is refused. Calls wait until Run serves, and fail after Close,
// which ends the connection.
func (g *Gateway) InProcess() grpc.ClientConnInterface { return g.inside.Conn() }

// caller is for whom a page calls.
type caller struct {
	people.Person
	// Remote is the IP address that the person's browser came from; empty: not known.
	Remote string
}

// OutgoingAs makes calls on the connection of InProcess those of a person, whom the caller has authenticated and who came from an IP
// address (empty: not known), which records name. Elsewhere the metadata is refused: a name in a header never is an identity.
func OutgoingAs(ctx context.Context, p people.Person, remote string) context.Context {
	data, err := json.Marshal(caller{p, remote})
	if err != nil {
		// Strings and numbers can't fail to be encoded; without a person the call is refused.
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, personKey, string(data))
}

// insidePerson answers for whom a page calls. ok: the call is from inside, or says so.
func insidePerson(ctx context.Context) (p *Principal, ok bool, err error) {
	told := incomingValues(ctx, personKey)
	if pr, has := peer.FromContext(ctx); !has || !inside.Is(pr.AuthInfo) {
		if len(told) > 0 {
			return nil, true, unauthenticated("a name in a header is no identity")
		}
		return nil, false, nil
	}
	var who caller
	if len(told) != 1 || json.Unmarshal([]byte(told[0]), &who) != nil || who.Name == "" {
		return nil, true, unauthenticated("the page named nobody for whom it calls")
	}
	return principalOf(who.Person), true, nil
}

// remoteAddress is where a call came from, without the port: of a page's call, where its person's browser did. Empty: not known.
func remoteAddress(ctx context.Context) string {
	pr, ok := peer.FromContext(ctx)
	if !ok {
		return ""
	}
	if inside.Is(pr.AuthInfo) {
		var who caller
		if told := incomingValues(ctx, personKey); len(told) != 1 || json.Unmarshal([]byte(told[0]), &who) != nil {
			return ""
		}
		return who.Remote
	}
	if pr.Addr == nil {
		return ""
	}
	host, _, err := net.SplitHostPort(pr.Addr.String())
	if err != nil {
		return ""
	}
	return host
}

func principalOf(p people.Person) *Principal {
	return &Principal{Name: p.Name, roles: p.Roles, queues: p.Queues, method: p.Method}
}

package gateway

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
)

// scripted answers its errors one after the other, and then knows the person for good.
type scripted struct{ answers []error }

func (s *scripted) Authenticate(context.Context, string) (people.Person, error) {
	who := people.Person{Name: "ann", Method: "token"}
	if len(s.answers) == 0 {
		return who, nil
	}
	err := s.answers[0]
	s.answers = s.answers[1:]
	return who, err
}

func bearer(ctx context.Context, token string) context.Context {
	return metadata.NewIncomingContext(ctx, metadata.Pairs("authorization", "Bearer "+token))
}

func TestWhileKnown(t *testing.T) {
	for name, tc := range map[string]struct {
		answers []error
		ends    time.Duration // 0: it doesn't, while there are answers
	}{
		"revoked":        {[]error{nil, nil, people.ErrNotFound}, 3 * recheckEvery},
		"refused":        {[]error{people.ErrRefused}, recheckEvery},
		"no word of it":  {[]error{errors.New("disk"), people.ErrProvider, nil}, 0},
		"in the end, no": {[]error{errors.New("disk"), people.ErrNotFound}, 2 * recheckEvery},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				g := &Gateway{}
				g.current.Store(&plan{principals: newPrincipals(&candorv1.Config{}, &scripted{tc.answers}, nil), replaced: make(chan struct{})})
				ctx, why, stop := g.whileKnown(bearer(t.Context(), "x"), g.plan(), &Principal{Name: "ann", method: "token"})
				defer stop()
				select {
				case <-ctx.Done():
					if tc.ends == 0 || time.Since(began) != tc.ends || why() == nil || why().Code != codes.Unauthenticated {
						t.Errorf("ended after %v, %v", time.Since(began), why())
					}
				case <-time.After(time.Hour):
					if tc.ends != 0 || why() != nil {
						t.Error("it goes on")
					}
				}
			})
		})
	}
}

// A stream's caller of the configuration is asked for again when that changes, at once.
func TestWhileConfigured(t *testing.T) {
	consumer := func(models ...string) *candorv1.Config {
		return &candorv1.Config{Consumers: map[string]*candorv1.Consumer{"shop": {
			Identity: &candorv1.Identity{Proof: &candorv1.Identity_TokenSha256{TokenSha256: HashToken("x")}}, Models: models,
		}}}
	}
	other := consumer("a", "b")
	other.Consumers["bank"] = other.Consumers["shop"]
	delete(other.Consumers, "shop")
	for name, tc := range map[string]struct {
		next *candorv1.Config
		want codes.Code
	}{
		"the same":        {consumer("b", "a"), codes.OK},
		"more":            {consumer("*"), codes.OK},
		"less":            {consumer("a"), codes.PermissionDenied},
		"gone":            {&candorv1.Config{}, codes.Unauthenticated},
		"somebody else's": {other, codes.Unauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, ctx := &Gateway{}, bearer(t.Context(), "x")
				first := &plan{principals: newPrincipals(consumer("a", "b"), nil, nil), replaced: make(chan struct{})}
				g.current.Store(first)
				p, err := first.principals.identify(ctx)
				if err != nil {
					t.Fatal(err)
				}
				ctx, why, stop := g.whileKnown(ctx, first, p)
				defer stop()
				g.current.Store(&plan{principals: newPrincipals(tc.next, nil, nil), replaced: make(chan struct{})})
				close(first.replaced)
				synctest.Wait()
				switch {
				case tc.want == codes.OK && (ctx.Err() != nil || why() != nil):
					t.Errorf("ended: %v", why())
				case tc.want != codes.OK && (ctx.Err() == nil || why().Code != tc.want):
					t.Errorf("%v, want %v", why(), tc.want)
				}
			})
		})
	}
}

func TestMayAll(t *testing.T) {
	reviewer := []candorv1.Role{candorv1.Role_ROLE_REVIEWER}
	for name, tc := range map[string]struct {
		now, then Principal
		want      bool
	}{
		"all queues, then some": {Principal{queues: []string{"a"}}, Principal{}, false},
		"some, then all":        {Principal{}, Principal{queues: []string{"a"}}, true},
		"another queue":         {Principal{queues: []string{"b"}}, Principal{queues: []string{"a"}}, false},
		"a role that includes it": {
			Principal{roles: []candorv1.Role{candorv1.Role_ROLE_SENIOR}}, Principal{roles: reviewer}, true,
		},
		"a role less": {Principal{}, Principal{roles: reviewer}, false},
	} {
		if got := tc.now.mayAll(&tc.then); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

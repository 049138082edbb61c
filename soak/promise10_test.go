package soak

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/heldport"
)

// changing is a gateway whose certificate and configuration a test changes.
type changing struct {
	*gateway
	number int
	// text of the configuration, with $MODEL and $THRESHOLD.
	text    string
	changes int
}

// TestPromise10InvisibleChange: restarts in turn, other certificates, policies and configurations fail no call; who is taken out or revoked is refused
// within a minute.
func TestPromise10InvisibleChange(t *testing.T) {
	pg := ownPostgres(t)
	report := promise(t, 10, "invisible change",
		"two gateways on one PostgreSQL get new certificates, another policy, other model servers and a limit, and are restarted (SIGTERM), in turn, under load; "+
			"then a consumer, an authority and a user's token are revoked")
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	models := []string{modelServer(t, "primary").Addr(), modelServer(t, "primary").Addr()}
	var all []*changing
	var addresses []string
	const taking, still = 2, 2 // gateways that take turns; one more isn't restarted
	for i := range taking + 1 {
		address := heldport.For(t)
		text := changingConfig(address, pg.URL("postgres"))
		g := &changing{gateway: configured(t, withChanges(text, models[0], 0)), number: i, text: text}
		g.certify(ours)
		replace(t, filepath.Join(g.folder, "clients.crt"), append(ours.pem(), theirs.pem()...))
		if i == 0 {
			if out, err := candor("init", "--config", g.config); err != nil {
				t.Fatalf("candor init: %v\n%s", err, out)
			}
		}
		g.start()
		all, addresses = append(all, g), append(addresses, address)
	}
	c := newCrowd(spread(t, ours.client(ours, "crowd.example.com"), addresses[:taking]...), 8)
	defer c.cancel()

	r := revocations{t: t, ours: ours, all: all}
	byToken := r.revokeToken(all[0], all[still])

	rounds, began := 0, time.Now()
	for ; rounds == 0 || time.Since(began) < span(); rounds++ {
		for _, g := range all[:taking] {
			g.shows(ours)
			g.reload(models[(rounds+1)%2], 1+rounds%2)
			before := c.calls.Load()
			g.stop()
			g.start()
			await(t, "it is called again", func() bool { return g.metric("candor_decisions_total{") > 0 || t.Failed() })
			await(t, "calls go on", func() bool { return c.calls.Load() > before+100 })
		}
	}
	c.goHome(t)
	report.say("calls, failed", "%d, %d", c.calls.Load(), len(c.failed))
	report.say("restarts, certificates, configurations under load", "%d of each, over %v", rounds*taking, time.Since(began).Round(time.Second))
	report.say("median and longest call", "%v and %v", c.times.quantile(.5).Round(10*time.Microsecond), c.times.quantile(1).Round(time.Millisecond))
	report.say("from a consumer's removal to its refusal", "%v, at three gateways", r.removeConsumer(models[0]).Round(time.Millisecond))
	report.say("from an authority's removal to a refusal", "%v, on connections that were there, at three gateways", r.removeAuthority(theirs).Round(time.Millisecond))
	report.say("from a token's revocation to its refusal", "%v, at a gateway that remembered it", (<-byToken).Round(time.Millisecond))
	for _, g := range all {
		g.stop()
	}
}

func changingConfig(address, database string) string {
	return `
listen: {grpc: "` + address + `", http: "127.0.0.1:0", tls: {cert_file: server.crt, key_file: server.key, client_ca_file: clients.crt}}
store: {identity: soak, postgres: {url: "` + database + `"}}
people: {local: true}
consumers:
  crowd: {identity: {mtls_san: crowd.example.com}, models: ["*"]}
  partner: {identity: {mtls_san: partner.example.com}, models: ["*"]}
  leaver: {identity: {token_sha256: 93c0f0ebfef46bab6c0f57b299c5e1bec04a56ffb552d205aa1e39e978f68cde}, models: ["*"]}
` + strings.Replace(strings.TrimSpace(peopleConfig), "auditor]", "auditor, admin]", 1) + `
backends:` + patient(backendConfig("primary", "$MODEL", "adaptive_limit: false")) + ` # how many calls a busy machine can take is no subject
models:
  fraud:
    primary: primary
    policy:
      mode: enforce
      accept: {threshold: {probability: 0.$THRESHOLD}}
      answers: [{output: probabilities, fill: scores}]
      actions: [{name: decline, when: {label_in: [bad]}}]
limits: {declines: {action: decline, window: 1s, max_count: $THRESHOLD00000}}
`
}

// withChanges is a configuration with a model server, and the policy and limit of a number.
func withChanges(text, model string, number int) string {
	return strings.NewReplacer("$MODEL", model, "$THRESHOLD", fmt.Sprint(7+number)).Replace(text)
}

// certify gives the gateway another certificate.
func (g *changing) certify(a *authority) (cert []byte) {
	cert, key := a.issue("localhost")
	replace(g.t, filepath.Join(g.folder, "server.key"), key)
	replace(g.t, filepath.Join(g.folder, "server.crt"), cert)
	return cert
}

// shows gives it another certificate, and waits until it shows it to who connects.
func (g *changing) shows(a *authority) {
	g.t.Helper()
	pair := g.certify(a)
	await(g.t, "it shows the new certificate", func() bool {
		security := a.client(a, "")
		security.NextProtos = []string{"h2"}
		conn, err := tls.Dial("tcp", g.grpc, security)
		if err != nil {
			return false // the pair may have been read in the middle; it is read again
		}
		defer func() { _ = conn.Close() }()
		return bytes.Equal(pair, encoded(conn.ConnectionState().PeerCertificates[0]))
	})
}

// reload gives the gateway the configuration of a number, and waits until it is in force.
func (g *changing) reload(model string, number int) {
	g.t.Helper()
	const done = `candor_config_reload_total{result="success"}`
	before := g.metric(done)
	g.changes++
	replace(g.t, g.config, []byte(withChanges(g.text, model, number)+fmt.Sprintf("# change %d\n", g.changes)))
	if err := g.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		g.t.Fatal(err)
	}
	await(g.t, "the configuration is in force", func() bool { return g.metric(done) > before || g.t.Failed() })
}

// revocations take somebody out, who calls without pause until nobody answers, and answer how long that took.
type revocations struct {
	t    *testing.T
	ours *authority
	all  []*changing
}

// within is how long what was revoked may still be honoured.
const within = time.Minute

// refused calls until it is refused as nobody, and answers how long that took since an instant; any other error is a failure.
func (r revocations) refused(who string, since time.Time, call func(context.Context) error) time.Duration {
	for {
		ctx, cancel := context.WithTimeout(r.t.Context(), patience)
		err := call(ctx)
		cancel()
		took := time.Since(since)
		if r.t.Context().Err() != nil {
			return took // the test is over
		}
		switch code := status.Code(err); {
		case code == codes.Unauthenticated || code == codes.PermissionDenied:
			if took > within {
				r.t.Errorf("%s was refused %v after the revocation", who, took)
			}
			return took
		case err != nil:
			r.t.Errorf("%s: %v", who, err)
			return took
		case took > within:
			r.t.Errorf("%s is served %v after the revocation", who, took)
			return took
		}
		time.Sleep(20 * time.Millisecond) // between the calls of a client
	}
}

func (r revocations) dial(g *changing, security *tls.Config) *grpc.ClientConn {
	r.t.Helper()
	conn, err := grpc.NewClient(g.grpc, grpc.WithTransportCredentials(credentials.NewTLS(security)))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// revokeToken makes a user and a token, lets a gateway remember it, and revokes it at another one.
func (r revocations) revokeToken(at, remembers *changing) <-chan time.Duration {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(as(r.t.Context(), "omar"), patience)
	defer cancel()
	admin := candorv1.NewPeopleServiceClient(r.dial(at, r.ours.client(r.ours, "")))
	if _, err := admin.CreateUser(ctx, &candorv1.CreateUserRequest{User: &candorv1.User{Name: "sam", Roles: []candorv1.Role{candorv1.Role_ROLE_AUDITOR}}}); err != nil {
		r.t.Fatal(err)
	}
	token, err := admin.CreateUserToken(ctx, &candorv1.CreateUserTokenRequest{Name: "sam", Lifetime: durationpb.New(time.Hour)})
	if err != nil {
		r.t.Fatal(err)
	}
	sam := candorv1.NewPeopleServiceClient(r.dial(remembers, r.ours.client(r.ours, "")))
	whoAmI := func(ctx context.Context) error {
		_, err := sam.WhoAmI(metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token.GetSecret()), &candorv1.WhoAmIRequest{})
		return err
	}
	if err := whoAmI(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	if _, err := admin.RevokeUserToken(ctx, &candorv1.RevokeUserTokenRequest{Name: "sam", Id: token.GetToken().GetId()}); err != nil {
		r.t.Fatal(err)
	}
	since, took := time.Now(), make(chan time.Duration, 1)
	go func() { took <- r.refused("a user whose token was revoked", since, whoAmI) }()
	return took
}

// removeConsumer takes one out of every configuration.
func (r revocations) removeConsumer(model string) (longest time.Duration) {
	r.t.Helper()
	for _, g := range r.all {
		conn := r.dial(g, r.ours.client(r.ours, ""))
		call := func(ctx context.Context) error {
			_, _, err := inferAs(as(ctx, "healthy"), conn, sure(), patience)
			return err
		}
		if err := call(r.t.Context()); err != nil {
			r.t.Fatal(err)
		}
		g.text = strings.ReplaceAll(g.text, "\n  leaver:", "\n  #leaver:")
		since := time.Now()
		g.reload(model, 0)
		longest = max(longest, r.refused("a consumer that was taken out", since, call))
	}
	return longest
}

// removeAuthority takes one out of those whose clients are believed.
func (r revocations) removeAuthority(theirs *authority) (longest time.Duration) {
	r.t.Helper()
	for _, g := range r.all {
		conn := r.dial(g, theirs.client(r.ours, "partner.example.com"))
		call := func(ctx context.Context) error {
			_, _, err := inferAs(ctx, conn, sure(), patience)
			return err
		}
		if err := call(r.t.Context()); err != nil {
			r.t.Fatal(err)
		}
		since := time.Now()
		replace(r.t, filepath.Join(g.folder, "clients.crt"), r.ours.pem())
		longest = max(longest, r.refused("a client whose authority was taken out", since, call))
	}
	return longest
}

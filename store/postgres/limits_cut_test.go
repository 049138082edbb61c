package postgres_test

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/candor-gateway/candor/internal/faultproxy"
	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/store/postgres"
)

// behind answers the address of the server behind a network that can misbehave.
func behind(t *testing.T, server string) (string, *faultproxy.Proxy) {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	q, to := u.Query(), u.Host
	if folder := q.Get("host"); folder != "" {
		to = folder + "/.s.PGSQL." + portOf(q.Get("port"))
	}
	p := faultproxy.Start(t, to)
	q.Del("host")
	q.Del("port")
	u.Host, u.RawQuery = p.Addr(), q.Encode()
	return u.String(), p
}

// TestCutOffInAGrant: a gateway that is cut off in the middle of a grant, when it has locked the limit's row, keeps the others from it no longer
// than they wait for a lock: they get their leases, and none is withheld.
func TestCutOffInAGrant(t *testing.T) {
	server := initialised(t)
	far, network := behind(t, server)
	cutOff, other := open(t, far, postgres.Options{}), open(t, server, postgres.Options{})
	request := func(count int64) limits.LeaseRequest {
		from := time.Unix(1, 0).UTC()
		return limits.LeaseRequest{Lease: limits.Lease{Limit: "a", Count: count, From: from, Until: from.Add(time.Second)}, Need: 1, Max: 100, Window: time.Hour}
	}
	first, err := cutOff.Lease(t.Context(), request(1))
	if err != nil {
		t.Fatal(err)
	}

	// Its next grant locks the row, and then waits for the lease that it settles.
	holder := connect(t, server)
	exec(t, holder, `BEGIN`)
	exec(t, holder, `SELECT FROM candor.limit_leases WHERE limit_name = 'a' FOR UPDATE`)
	settling := request(1)
	settling.Settled = &first.Lease
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := cutOff.Lease(ctx, settling)
		ended <- err
	}()
	watcher := connect(t, server)
	for waits := 0; waits == 0; {
		if err := watcher.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waits); err != nil {
			t.Fatal(err)
		}
	}
	network.Set(faultproxy.Fault{Blackhole: true})
	exec(t, holder, `COMMIT`)

	if g, err := other.Lease(t.Context(), request(1)); err != nil || g.Count != 1 {
		t.Errorf("another gateway: %+v, %v", g.Lease, err)
	}
	network.Set(faultproxy.Fault{})
	cancel()
	<-ended
	if g, err := other.Lease(t.Context(), request(0)); err != nil || g.Used > 3 {
		t.Errorf("afterwards: %d used, %v", g.Used, err)
	}
}

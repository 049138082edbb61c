package postgres_test

import (
	"cmp"
	"errors"
	"io"
	"math"
	"net"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"
)

// harms is what was done to the gateways, and when.
type harms struct {
	kills, cuts []int64
	// stops, and when those ended that were longer than a lease: what such a gateway had in hand it may have settled too late.
	stops int
	long  []int64
}

// within counts what may strand permits in a window that ends at t.
func (h *harms) within(t int64) (n int) {
	for _, at := range slices.Concat(h.kills, h.cuts, h.long) {
		if at > t-int64(oracleWindow) && at <= t {
			n++
		}
	}
	return n
}

// checkOracle counts every window that ends with a release. A release counts only if it was in the window for sure, and in all but those
// of stopped processes the two readings are microseconds apart. Then it looks at every trip: what was left of the limit then had been
// leased to gateways that were killed, cut off, or stopped for longer than a lease, no more than a lease in hand and one under way each, of an eighth of what was left.
func checkOracle(t *testing.T, all []oracleEntry, harm harms) {
	t.Helper()
	var released []oracleEntry
	var trips []int64
	unavailable := 0
	for _, e := range all {
		switch e.what {
		case "released":
			released = append(released, e)
		case "trip":
			trips = append(trips, e.to)
		case "unavailable":
			unavailable++
		}
	}
	slices.SortFunc(released, func(a, b oracleEntry) int { return cmp.Compare(a.to, b.to) })
	certain := func(oldest, end int, at int64) (n int) {
		for _, e := range released[oldest:end] {
			if e.from > at-int64(oracleWindow) {
				n++
			}
		}
		return n
	}
	most, oldest := 0, 0
	for i, end := range released {
		for released[oldest].to <= end.to-int64(oracleWindow) {
			oldest++
		}
		n := certain(oldest, i+1, end.to)
		if most = max(most, n); n > oracleMax {
			t.Errorf("the window of %v that ends at %d holds %d releases of at most %d", oracleWindow, end.to, n, oracleMax)
			break
		}
	}
	stranded := 0
	for _, at := range trips {
		// What was released within a lease of the window's begin may count until a lease later.
		n := 0
		for _, e := range released {
			if e.to <= at && e.from > at-int64(oracleWindow+2*oracleLease) {
				n++
			}
		}
		stranded = max(stranded, oracleMax-n)
		if least := oracleMax * math.Pow(1-1.0/8, float64(2*harm.within(at))); float64(n) < least-8 {
			t.Errorf("a trip with %d released, although only %d gateways were killed, cut off, or stopped for longer than a lease", n, harm.within(at))
		}
	}
	t.Logf("%d released by 8 gateways, at most %d in a window of %v (limit %d); %d trips, with at most %d stranded; %d unavailable; "+
		"%d killed, %d stopped, %d cut off", len(released), most, oracleWindow, oracleMax, len(trips), stranded, unavailable,
		len(harm.kills), harm.stops, len(harm.cuts))
	if len(released) < 2*oracleMax || len(trips) == 0 || len(harm.kills) == 0 || harm.stops == 0 || len(harm.cuts) == 0 {
		t.Errorf("the test tries too little")
	}
}

// cutter is a way to the server that breaks when it is told to.
type cutter struct {
	url    string
	listen net.Listener
	to     string

	mu    sync.Mutex
	conns map[net.Conn]bool
	wait  sync.WaitGroup
}

func newCutter(t *testing.T, server string) *cutter {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{conns: map[net.Conn]bool{}}
	q := u.Query()
	network := "tcp"
	if c.to = u.Host; q.Get("host") != "" {
		network, c.to = "unix", q.Get("host")+"/.s.PGSQL."+portOf(q.Get("port"))
	}
	if c.listen, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	q.Del("host")
	q.Del("port")
	u.Host, u.RawQuery = c.listen.Addr().String(), q.Encode()
	c.url = u.String()
	c.wait.Go(func() {
		for {
			conn, err := c.listen.Accept()
			if err != nil {
				return
			}
			c.wait.Go(func() { c.serve(conn, network) })
		}
	})
	t.Cleanup(func() {
		if err := c.listen.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		c.cut()
		c.wait.Wait()
	})
	return c
}

func portOf(port string) string {
	if port == "" {
		return "5432"
	}
	return port
}

func (c *cutter) serve(from net.Conn, network string) {
	defer from.Close() //nolint:errcheck // it may be cut
	to, err := net.DialTimeout(network, c.to, time.Second)
	if err != nil {
		return
	}
	defer to.Close() //nolint:errcheck // it may be cut
	c.mu.Lock()
	c.conns[from], c.conns[to] = true, true
	c.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(to, from); _ = to.Close() })
	both.Go(func() { _, _ = io.Copy(from, to); _ = from.Close() })
	both.Wait()
	c.mu.Lock()
	delete(c.conns, from)
	delete(c.conns, to)
	c.mu.Unlock()
}

// cut breaks every connection; new ones can be made.
func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		_ = conn.Close()
	}
}

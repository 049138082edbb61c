package postgres_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/calibration/certificate"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/review"
	"github.com/candor-gateway/candor/store/postgres"
	"github.com/candor-gateway/candor/store/storetest"
)

// stores opens several stores of one database, as several gateways do.
func stores(t testing.TB, n int) []*postgres.Store {
	url := initialised(t)
	out := make([]*postgres.Store, n)
	for i := range out {
		out[i] = open(t, url, postgres.Options{Writer: fmt.Sprint("w", i)})
	}
	return out
}

// No item goes to two claimers, none is lost, and every answer is in the feed once, at a position that no reader had passed.
func TestManyClaimers(t *testing.T) {
	items, claimers := 1500, 12
	if long() {
		items, claimers = 10_000, 32
	}
	all := stores(t, 3)
	const perRecord = 50
	var wg sync.WaitGroup
	for w, s := range all {
		wg.Go(func() {
			for range items/perRecord/len(all) + 1 {
				if _, err := put(t.Context(), s, perRecord); err != nil {
					t.Errorf("store %d: %v", w, err)
				}
			}
		})
	}
	wg.Wait()
	items = (items/perRecord/len(all) + 1) * perRecord * len(all)

	stop := make(chan struct{})
	var readers sync.WaitGroup
	for _, s := range all {
		readers.Go(func() { follow(t, s, stop) })
	}
	var claims sync.Map
	var done atomic.Int64
	for c := range claimers {
		s, holder := all[c%len(all)], fmt.Sprint("reviewer-", c)
		wg.Go(func() {
			for {
				it, err := claim(t.Context(), s, holder)
				if errors.Is(err, review.ErrEmpty) {
					return
				}
				if err != nil {
					t.Errorf("claim: %v", err)
					return
				}
				if other, twice := claims.LoadOrStore(it.ID, holder); twice {
					t.Errorf("item %s went to %s and to %v", it.ID, holder, other)
				}
				if err := finish(t.Context(), s, it, holder); err != nil {
					t.Errorf("finish: %v", err)
					return
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	close(stop)
	readers.Wait()
	if done.Load() != int64(items) {
		t.Errorf("%d items were answered, want %d", done.Load(), items)
	}
	feed := finals(t, all[0])
	seen := map[string]bool{}
	for i, f := range feed {
		holder, _ := claims.Load(f.Item.ID)
		if seen[f.Item.ID] || f.Item.Verdict.GetLabel() != holder || f.Position != uint64(i+1) {
			t.Errorf("position %d: item %s, again: %t, answered %q by %v", f.Position, f.Item.ID, seen[f.Item.ID], f.Item.Verdict.GetLabel(), holder)
		}
		seen[f.Item.ID] = true
	}
	if len(feed) != items {
		t.Errorf("the feed has %d answers, want %d", len(feed), items)
	}
	if r := verified(t, all[1]); len(r.Writers) != len(all) {
		t.Errorf("%d writers", len(r.Writers))
	}
}

// follow reads the feed as it grows: positions come in their order, and none is passed over.
func follow(t *testing.T, s *postgres.Store, stop <-chan struct{}) {
	var after uint64
	for {
		changed := s.Changed()
		page, err := s.Finals(t.Context(), after, 100)
		if err != nil {
			t.Errorf("Finals: %v", err)
			return
		}
		for _, f := range page {
			if f.Position != after+1 {
				t.Errorf("position %d follows %d: what comes between may still appear", f.Position, after)
			}
			after = f.Position
		}
		if len(page) > 0 {
			continue
		}
		select {
		case <-changed:
		case <-stop:
			return
		}
	}
}

// A change by one gateway wakes those who wait at another.
func TestOthersAreTold(t *testing.T) {
	all := stores(t, 2)
	within := func(what string, c <-chan struct{}) {
		t.Helper()
		select {
		case <-c:
		case <-time.After(30 * time.Second):
			t.Fatalf("nobody is told of %s", what)
		}
	}
	moved := all[1].Moved()
	if _, err := put(t.Context(), all[0], 1); err != nil {
		t.Fatal(err)
	}
	within("a new item", moved)
	it, err := claim(t.Context(), all[0], "ann")
	if err != nil {
		t.Fatal(err)
	}
	changed := all[1].Changed()
	if err := finish(t.Context(), all[0], it, "1"); err != nil {
		t.Fatal(err)
	}
	within("a final answer", changed)
	certified := all[1].CertificatesChanged()
	if _, err := all[0].OpenCertificates(t.Context(), []certificate.Opening{{Key: storetest.Key("m", "small")}}); err != nil {
		t.Fatal(err)
	}
	within("a certificate", certified)
}

// Gateways draw and judge for one certificate at once: every unit is consumed, once, and the evidence is that of the units one after
// the other.
func TestOneOrderOfEvidence(t *testing.T) {
	const callers, calls = 9, 12
	all := stores(t, 3)
	key := storetest.Key("m", "small")
	key.MaxRows, key.AlarmRunLength = 2, 1e9
	opened := make([]*candorv1.CertificateState, len(all))
	var wg sync.WaitGroup
	for i, s := range all {
		wg.Go(func() {
			states, err := s.OpenCertificates(t.Context(), []certificate.Opening{{Key: key}})
			if err != nil {
				t.Errorf("open: %v", err)
				return
			}
			opened[i] = states[0]
		})
	}
	wg.Wait()
	for _, o := range opened[1:] {
		if !proto.Equal(opened[0], o) {
			t.Fatalf("opened %v and %v", opened[0], o)
		}
	}
	for c := range callers {
		s := all[c%len(all)]
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(c), 3))
			for range calls {
				rec, items := storetest.Audit(s.Now(), certificate.ID(opened[0]), 2)
				if err := s.Record(t.Context(), rec, items); err != nil {
					t.Errorf("record: %v", err)
					return
				}
				for range items {
					judgeNext(t, s, fmt.Sprint("reviewer-", c), rng)
				}
			}
		})
	}
	wg.Wait()
	state, err := all[0].Certificate(t.Context(), certificate.ID(opened[0]))
	const units = callers * calls
	if err != nil || state.GetUnitsConsumed() != units || state.GetNextNumber() != units+1 {
		t.Errorf("%d units consumed, the next is %d (%v); want %d and %d", state.GetUnitsConsumed(), state.GetNextNumber(), err, units, units+1)
	}
	want := storetest.Replay(t, driver{all[0], "", postgres.Options{}}, opened[0], nil)
	if !proto.Equal(storetest.Timeless(want), storetest.Timeless(state)) {
		t.Errorf("replayed in order %v, stored %v", want, state)
	}
	for _, s := range all {
		verified(t, s)
	}
}

// judgeNext answers the next item of the queue.
func judgeNext(t *testing.T, s *postgres.Store, holder string, rng *rand.Rand) {
	it, err := claim(t.Context(), s, holder)
	if err == nil {
		err = finish(t.Context(), s, it, []string{"a", "a", "a", "b"}[rng.IntN(4)])
	}
	if err != nil {
		t.Errorf("judge: %v", err)
	}
}

// One trip of many gateways is the first, one reset of the same request is done.
func TestOneLatch(t *testing.T) {
	all := stores(t, 3)
	for round := range 5 {
		var firsts atomic.Int64
		var wg sync.WaitGroup
		limit := fmt.Sprint("limit-", round)
		for i := range 9 {
			s := all[i%len(all)]
			wg.Go(func() {
				first, err := s.Trip(t.Context(), limits.Trip{ID: uuid.NewString(), Limit: limit, At: s.Now()})
				if err != nil {
					t.Errorf("trip: %v", err)
				}
				if first {
					firsts.Add(1)
				}
			})
		}
		wg.Wait()
		for i := range 9 {
			s := all[i%len(all)]
			wg.Go(func() {
				if err := s.Reset(t.Context(), limits.Reset{Limit: limit, By: "ann", Reason: "why", RequestID: "r", At: s.Now()}); err != nil {
					t.Errorf("reset: %v", err)
				}
			})
		}
		wg.Wait()
		alerts, err := all[0].OpenAlerts(t.Context())
		if err != nil || firsts.Load() != 1 || len(alerts) != round+1 {
			t.Errorf("%d trips were the first, %d alerts in all (%v)", firsts.Load(), len(alerts), err)
		}
	}
	verified(t, all[0])
}

package backend

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// answers lets a replica answer n calls, each of which takes so long, one after the other; the time of all of them passes.
func answers(r *replica, n int, took time.Duration) {
	for range n {
		asked := time.Now()
		time.Sleep(took)
		r.timed(asked, took)
		r.heard(succeeded, asked)
	}
}

func TestSlowIsEjected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := paperFleet(t, 3, nil)
		a := f.all[0]
		answers(f.all[1], 20, 2*time.Millisecond)
		answers(f.all[2], 20, 3*time.Millisecond)
		// It is found slow at the 20th, and a second later it still is.
		answers(a, 47, 40*time.Millisecond)
		wants(t, a, serving)
		answers(a, 1, 40*time.Millisecond)
		wants(t, a, ejected)
		if s := stateOfReplica(a); s.Why != "slow: half of its last 48 answers took 40ms or more, of the others' 3ms" || s.Failures != 0 {
			t.Errorf("status %+v", s)
		}
		if f.now.Load().choose() == a {
			t.Error("a slow replica was chosen")
		}
	})
}

// It is let in again by the trial that every replica has, in which its answers must also be as fast as the others'.
func TestSlowHealsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := paperFleet(t, 3, nil)
		a := f.all[0]
		others := func() { answers(f.all[1], 20, time.Millisecond); answers(f.all[2], 20, time.Millisecond) }
		others()
		answers(a, 50, 40*time.Millisecond)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		wants(t, a, returning)
		others()
		answers(a, trialAnswers, 40*time.Millisecond)
		wants(t, a, ejected)
		if s := stateOfReplica(a); s.Why != "still slow: half of its last 3 answers took 40ms or more, of the others' 1ms" {
			t.Errorf("why: %q", s.Why)
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		others()
		// One slow answer among them is a cache that was cold.
		answers(a, 1, time.Second)
		answers(a, trialAnswers-1, time.Millisecond)
		wants(t, a, serving)
	})
}

func TestWhoIsNotSlow(t *testing.T) {
	const fast = 2 * time.Millisecond
	for _, test := range []struct {
		name string
		took []time.Duration
		edit func(*candorv1.Replicas)
	}{
		{"alone", []time.Duration{time.Second}, nil},
		{"below the ratio", []time.Duration{100 * time.Millisecond, 21 * time.Millisecond, 21 * time.Millisecond}, nil},
		{"far above the ratio, and still fast", []time.Duration{11 * time.Millisecond, fast, fast}, nil},
		{"turned off", []time.Duration{time.Second, fast, fast}, func(r *candorv1.Replicas) { r.SlowRatio = proto.Float64(0) }},
		{"no ejection at all", []time.Duration{time.Second, fast, fast}, func(r *candorv1.Replicas) { r.MaxEjected = proto.Float64(0) }},
		{"as slow as most", []time.Duration{time.Second, time.Second, time.Second, fast}, nil},
		{"half are slow", []time.Duration{time.Second, time.Second, fast}, nil},
		{"too few answers of the others", []time.Duration{time.Second, 0, 0}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := paperFleet(t, len(test.took), func(r *candorv1.Replicas) {
					r.Window = durationpb.New(10 * time.Minute)
					if test.edit != nil {
						test.edit(r)
					}
				})
				for round := range 30 {
					for i, took := range test.took {
						if took > 0 {
							answers(f.all[i], 1, took)
						}
						if s := stateOfReplica(f.all[i]); s.State != serving {
							t.Fatalf("round %d: replica %d is %v: %s", round, i, s.State, s.Why)
						}
					}
				}
			})
		})
	}
}

// One that stopped for a moment, with many calls in flight, is not slow.
func TestAPauseIsNotSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := paperFleet(t, 3, nil)
		a := f.all[0]
		for range 20 {
			answers(f.all[1], 20, time.Millisecond)
			answers(f.all[2], 20, time.Millisecond)
			asked := time.Now()
			time.Sleep(300 * time.Millisecond)
			for range paceKept {
				a.timed(asked, 300*time.Millisecond)
			}
			wants(t, a, serving)
			answers(a, paceKept, time.Millisecond)
			wants(t, a, serving)
			time.Sleep(time.Second)
		}
	})
}

// No more are ejected than may be, and where the rest are slow, too, nobody else is.
func TestMostThatMayBeSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := paperFleet(t, 5, func(r *candorv1.Replicas) { r.MaxEjected = proto.Float64(0.2) })
		most := 0
		for range 50 {
			for i, r := range f.all {
				answers(r, 1, time.Millisecond)
				if i < 2 {
					answers(r, 2, 100*time.Millisecond)
				}
			}
			f.mu.Lock()
			most = max(most, len(those(f.all, func(s *standing) bool { return s.ejected })))
			f.mu.Unlock()
		}
		if most != 1 {
			t.Errorf("%d were ejected at a time, one may be", most)
		}
	})
}

// What a replica answered before it was ejected, or longer ago than the window, says nothing.
func TestOldAnswersSayNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := paperFleet(t, 3, nil)
		a := f.all[0]
		answers(a, 19, 100*time.Millisecond)
		time.Sleep(time.Minute)
		answers(f.all[1], 20, time.Millisecond)
		answers(f.all[2], 20, time.Millisecond)
		answers(a, 5, 100*time.Millisecond)
		wants(t, a, serving)
		began := time.Now()
		answers(a, 30, 100*time.Millisecond)
		wants(t, a, ejected)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		for range 100 {
			a.timed(began, time.Second)
		}
		answers(a, trialAnswers, time.Millisecond)
		wants(t, a, serving)
	})
}

// A pace's median is that of a plain list of the same answers.
func TestPaceIsAMedian(t *testing.T) {
	const window = 10 * time.Second
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var p pace
		type answer struct{ ended, took time.Duration }
		var all []answer
		now := time.Duration(0)
		for range 300 {
			now += time.Duration(rng.IntN(1000)) * time.Millisecond
			a := answer{now, time.Duration(rng.IntN(1000)) * time.Millisecond}
			p.add(a.ended, a.took)
			all = append(all, a)
			p.known = false
			var kept []time.Duration
			for _, a := range all[max(0, len(all)-paceKept):] {
				if now-a.ended < window {
					kept = append(kept, a.took)
				}
			}
			slices.Sort(kept)
			if half, of := p.median(now, window); of != len(kept) || half != kept[len(kept)/2] {
				t.Fatalf("seed %d: median %v of %d, want %v of %d", seed, half, of, kept[len(kept)/2], len(kept))
			}
		}
	}
}

// One of three real servers is twenty times slower than the others.
func TestSlowReplicaOfThree(t *testing.T) {
	const fast, slow = 2 * time.Millisecond, 40 * time.Millisecond
	var servers []*oiptest.Server
	for _, takes := range []time.Duration{slow, fast, fast} {
		model := digitsModel()
		plain := model.Infer
		model.Infer = func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
			work := time.NewTimer(takes)
			defer work.Stop()
			select {
			case <-work.C:
				return plain(ctx, req)
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		servers = append(servers, oiptest.Start(t, model))
	}
	shares := func(on bool) float64 {
		cfg := replicasConfig(servers...)
		cfg.Replicas.Ejection = durationpb.New(time.Minute)
		if !on {
			cfg.Replicas.SlowRatio = proto.Float64(0)
		}
		b := settled(t, cfg, Options{})
		if on {
			eventually(t, "the slow replica is ejected", func() bool {
				many(t, b, 6, 20)
				return statesOf(b)[servers[0].Addr()].State == ejected
			})
			t.Log(statesOf(b)[servers[0].Addr()].Why)
		}
		before, all := servers[0].Calls(), 0
		for _, s := range servers {
			all -= s.Calls()
		}
		if failures := many(t, b, 6, 100); failures > 0 {
			t.Errorf("%d calls failed", failures)
		}
		for _, s := range servers {
			all += s.Calls()
		}
		return float64(servers[0].Calls()-before) / float64(all)
	}
	off, on := shares(false), shares(true)
	t.Logf("one of three replicas is 20 times slower: it gets %.1f %% of the calls without ejection by latency, %.1f %% with it", 100*off, 100*on)
	if off == 0 || on > 0 {
		t.Errorf("share of the slow one: %v without, %v with", off, on)
	}
}

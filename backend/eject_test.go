package backend

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// The states of a replica that tests name.
const (
	serving   = candorv1.ReplicaState_REPLICA_STATE_SERVING
	returning = candorv1.ReplicaState_REPLICA_STATE_RETURNING
	ejected   = candorv1.ReplicaState_REPLICA_STATE_EJECTED
	notReady  = candorv1.ReplicaState_REPLICA_STATE_NOT_READY
	noLink    = candorv1.ReplicaState_REPLICA_STATE_UNREACHABLE
	draining  = candorv1.ReplicaState_REPLICA_STATE_DRAINING
)

// paperFleet is a fleet of n replicas without connections, all of which are ready, inside of a bubble.
func paperFleet(t *testing.T, n int, edit func(*candorv1.Replicas)) *fleet {
	t.Helper()
	cfg := &candorv1.Replicas{}
	if edit != nil {
		edit(cfg)
	}
	set, err := compileReplicas(cfg)
	if err != nil {
		t.Fatal(err)
	}
	f := newFleet(set, defaultTimeout, slog.New(slog.NewTextHandler(io.Discard, nil)))
	f.dial = func(string) (conns, error) { return nil, nil }
	f.ask = func(context.Context, *replica) saying { return saying{ready: readyYes} }
	var addresses []string
	for i := range n {
		addresses = append(addresses, string(rune('a'+i))+":1")
	}
	if err := f.setAddresses(addresses); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.close() })
	f.watch()
	for _, r := range f.all {
		f.linked(r, linkUp)
	}
	synctest.Wait()
	for _, r := range f.all {
		wants(t, r, serving)
	}
	return f
}

func stateOfReplica(r *replica) ReplicaStatus {
	r.fleet.mu.Lock()
	defer r.fleet.mu.Unlock()
	return r.status()
}

func wants(t *testing.T, r *replica, want candorv1.ReplicaState) {
	t.Helper()
	if s := stateOfReplica(r); s.State != want {
		t.Errorf("replica %s is %v (%s), want %v", r.address, s.State, s.Why, want)
	}
}

// hears tells a replica of n calls that end now.
func hears(r *replica, o outcome, n int) {
	for range n {
		r.heard(o, time.Now())
	}
}

func TestFailuresInARowEject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := paperFleet(t, 3, nil)
		a := f.all[0]
		hears(a, failed, 4)
		hears(a, succeeded, 1)
		hears(a, failed, 4)
		wants(t, a, serving)
		// What clients do wrong neither counts nor breaks the row.
		hears(a, ignored, 100)
		hears(a, alive, 100)
		wants(t, a, serving)
		hears(a, failed, 1)
		wants(t, a, ejected)
		if s := stateOfReplica(a); s.EjectedUntil != time.Now().Add(10*time.Second) || s.Why != "5 failures in a row" || s.Ejections != 1 {
			t.Errorf("status %+v", s)
		}
		for range 100 {
			if f.now.Load().choose() == a {
				t.Fatal("an ejected replica was chosen")
			}
		}
	})
}

func TestClientsDoNotEject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := paperFleet(t, 3, nil)
		hears(f.all[0], alive, 10_000)
		hears(f.all[0], ignored, 10_000)
		wants(t, f.all[0], serving)
		if s := stateOfReplica(f.all[0]); s.Calls != 0 || s.Failures != 0 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestShareAgainstTheOthersEjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := paperFleet(t, 3, nil)
		// Every third call fails, everywhere: nobody is an outlier.
		for range 30 {
			for _, r := range f.all {
				hears(r, succeeded, 2)
				hears(r, failed, 1)
			}
		}
		for _, r := range f.all {
			wants(t, r, serving)
		}
		// All leave the window; then one fails two of three, and the others answer.
		time.Sleep(time.Minute)
		for i := range 30 {
			hears(f.all[1], succeeded, 1)
			hears(f.all[2], succeeded, 1)
			hears(f.all[0], succeeded, 1)
			hears(f.all[0], failed, 2)
			if state := stateOfReplica(f.all[0]).State; (state == ejected) != (i >= 9) {
				t.Fatalf("after %d rounds it is %v", i+1, state)
			}
			if i == 9 {
				break
			}
		}
		if why := stateOfReplica(f.all[0]).Why; why != "66 % of 29 calls failed, of the others' 0 %" {
			t.Errorf("why: %q", why)
		}
	})
}

func TestEjectionGrowsAndIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := paperFleet(t, 3, nil)
		a := f.all[0]
		hears(a, failed, 5)
		for n := 1; n <= 3; n++ {
			time.Sleep(time.Duration(n)*10*time.Second - time.Millisecond)
			synctest.Wait()
			wants(t, a, ejected)
			time.Sleep(time.Millisecond)
			synctest.Wait()
			wants(t, a, returning)
			// One failure ejects it again, for longer.
			hears(a, failed, 1)
			wants(t, a, ejected)
		}
		time.Sleep(40 * time.Second)
		synctest.Wait()
		hears(a, succeeded, trialAnswers-1)
		wants(t, a, returning)
		hears(a, succeeded, 1)
		wants(t, a, serving)
		// Two windows in service take two off four.
		time.Sleep(61 * time.Second)
		hears(a, failed, 5)
		if left := time.Until(stateOfReplica(a).EjectedUntil); left != 30*time.Second {
			t.Errorf("ejected for %v, want 30s", left)
		}
	})
}

func TestEjectionHasALongest(t *testing.T) {
	set, err := compileReplicas(nil)
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n < 100_000; n++ {
		if have, want := set.ejectFor(n), min(5*time.Minute, time.Duration(n)*10*time.Second); have != want {
			t.Fatalf("ejection %d lasts %v, want %v", n, have, want)
		}
	}
}

// A call that began before an ejection says nothing about the replica that has come back.
func TestOldCallsSayNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := paperFleet(t, 3, nil)
		a, began := f.all[0], time.Now()
		time.Sleep(time.Second)
		hears(a, failed, 5)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		wants(t, a, returning)
		for range 10 {
			a.heard(failed, began)
			a.heard(succeeded, began)
		}
		wants(t, a, returning)
	})
}

func TestMostThatMayBeEjected(t *testing.T) {
	for _, test := range []struct {
		n     int
		share float64
		want  int
	}{
		{1, 1, 0}, {2, 0.5, 1}, {2, 0.1, 1}, {2, 0, 0}, {3, 0.5, 1}, {4, 0.5, 2}, {10, 0.3, 3}, {4, 1, 4},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := paperFleet(t, test.n, func(r *candorv1.Replicas) {
				panic := 1.0
				r.MaxEjected, r.PanicThreshold = &test.share, &panic
			})
			for _, r := range f.all {
				hears(r, failed, 100)
			}
			if out := len(those(f.all, func(s *standing) bool { return s.ejected })); out != test.want {
				t.Errorf("%d of %d are ejected at a share of %v, want %d", out, test.n, test.share, test.want)
			}
		})
	}
}

func TestPanicIgnoresEjection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := 1.0
		f := paperFleet(t, 4, func(r *candorv1.Replicas) { r.MaxEjected = &all })
		chosen := func() map[*replica]bool {
			out := map[*replica]bool{}
			for range 200 {
				out[f.now.Load().choose()] = true
			}
			return out
		}
		hears(f.all[0], failed, 5)
		hears(f.all[1], failed, 5)
		if _, panicking := f.status(); panicking || len(chosen()) != 2 {
			t.Errorf("half are ejected: panicking %v, %d get calls", panicking, len(chosen()))
		}
		hears(f.all[2], failed, 5)
		if _, panicking := f.status(); !panicking || len(chosen()) != 4 {
			t.Errorf("most are ejected: panicking %v, %d get calls", panicking, len(chosen()))
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if _, panicking := f.status(); panicking {
			t.Error("it panics although they have returned")
		}
	})
}

// A call that is made again goes elsewhere, where there is another.
func TestAnotherIsChosen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := paperFleet(t, 3, nil)
		a, b, c := f.all[0], f.all[1], f.all[2]
		for range 200 {
			if r := f.now.Load().choose(a); r == a {
				t.Fatal("the one that was tried was chosen")
			}
			if r := f.now.Load().choose(a, c); r != b {
				t.Fatal("the one that was not tried was not chosen")
			}
			if f.now.Load().choose(a, b, c) == nil {
				t.Fatal("nobody was chosen")
			}
		}
	})
}

// The last one left is used even when it is ejected: there is nobody else.
func TestTheLastOneIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := paperFleet(t, 2, nil)
		a, b := f.all[0], f.all[1]
		hears(a, failed, 5)
		if f.now.Load().choose() != b {
			t.Error("the ejected one was chosen")
		}
		f.linked(b, linkDown)
		wants(t, b, noLink)
		if f.now.Load().choose() != a {
			t.Error("the one that is not there was chosen")
		}
		f.linked(a, linkDown)
		if len(f.now.Load().pick) == 0 {
			t.Error("nobody gets calls")
		}
	})
}

// A new connection leads to a new process: its first ejection is no longer about it, a repeated one is.
func TestARestartLiftsTheFirstEjection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := paperFleet(t, 3, nil)
		a := f.all[0]
		restart := func() {
			f.linked(a, linkDown)
			time.Sleep(100 * time.Millisecond)
			f.linked(a, linkUp)
			synctest.Wait()
		}
		hears(a, failed, 5)
		restart()
		wants(t, a, returning)
		hears(a, failed, 1)
		restart()
		wants(t, a, ejected)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		wants(t, a, returning)
	})
}

func TestReadinessTakesOutAndLetsIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := paperFleet(t, 3, nil)
		a := f.all[0]
		say := saying{ready: readyYes}
		set := func(s saying) {
			f.mu.Lock()
			defer f.mu.Unlock()
			say = s
		}
		f.mu.Lock()
		f.ask = func(_ context.Context, r *replica) saying {
			f.mu.Lock()
			defer f.mu.Unlock()
			if r == a {
				return say
			}
			return saying{ready: readyYes}
		}
		f.mu.Unlock()
		// One probe without an answer is borne, two aren't.
		set(saying{readySilent, "silent"})
		time.Sleep(2 * time.Second)
		synctest.Wait()
		wants(t, a, serving)
		time.Sleep(soon)
		synctest.Wait()
		wants(t, a, notReady)
		set(saying{ready: readyYes})
		time.Sleep(soon)
		synctest.Wait()
		wants(t, a, serving)
		set(saying{readyNo, "no"})
		time.Sleep(2 * time.Second)
		synctest.Wait()
		wants(t, a, notReady)
		// Not even when its ejection would be over is one let in that isn't ready.
		if f.now.Load().choose() == a {
			t.Error("one that isn't ready was chosen")
		}
	})
}

// A stream that stays open on a replica that returns, whenever it began, doesn't keep calls from showing that it is well.
func TestTrialBesideAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := paperFleet(t, 2, nil)
		a, b := f.all[0], f.all[1]
		for _, r := range f.all {
			r.conns = conns{{replica: r}}
			defer func() { r.conns = nil }()
		}
		hears(a, failed, 5)
		time.Sleep(defaultEjection + defaultProbeEvery)
		wants(t, a, returning)
		stream := f.take()
		defer stream.release()
		if stream.replica != a {
			t.Fatal("the one that returns was not tried")
		}
		for range trialAnswers {
			if c := f.take(); c.replica != b {
				t.Error("it got a second call at the same time")
			} else {
				c.release()
			}
			time.Sleep(defaultTimeout) // no call lasts longer
			c := f.take()
			if c.replica != a {
				t.Fatal("it was not tried again")
			}
			c.heard(succeeded, time.Now())
			c.release()
		}
		wants(t, a, serving)
	})
}

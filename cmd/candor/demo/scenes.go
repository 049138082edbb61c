package demo

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// stage is what the scenes act on and look at.
type stage struct {
	cast    cast
	servers modelServers
	player  *player
	watch   *watch
	view    *view
	// began is when the first scene did; length is how long all of them shall last.
	began    time.Time
	length   time.Duration
	patience patience
	// surged and ended are when the surge began, and the scenes ended.
	surged, ended time.Time
	// latchedBefore: an earlier demo in this directory left the limit tripped.
	latchedBefore bool
	// reviewers are at work until goHome is closed.
	reviewers *reviewers
	goHome    chan struct{}
	home      sync.Once
	broken    promises
}

// sendHome ends the reviewers' day: what is deferred afterwards waits for a person.
func (s *stage) sendHome() { s.home.Do(func() { close(s.goHome) }) }

// promises collects what the demo announced and did not see.
type promises []string

func (p *promises) check(kept bool, format string, args ...any) {
	if !kept {
		*p = append(*p, fmt.Sprintf(format, args...))
	}
}

// patience is how long the demo waits for what it promises.
type patience struct {
	// call is what an impatient consumer would set as its deadline. An answer that comes later is a broken promise.
	call time.Duration
	// scene is how long one waits, beyond its time, for what it promises: a busy machine is slow, and a probe of a breaker may fail once more.
	scene time.Duration
	// earning is for the certificate, which needs some hundred images and so more time on a slow machine.
	earning time.Duration
	// review is for one item of a reviewer, who goes on with the next when a call has failed.
	review time.Duration
	// look is for one look at the gateway's state; the gateway itself waits up to a second for a backend that doesn't answer.
	look time.Duration
}

var usual = patience{call: 3 * time.Second, scene: 20 * time.Second, earning: 40 * time.Second, review: 5 * time.Second, look: 5 * time.Second}

// Ends of the scenes, as shares of the whole length.
const (
	endOfCalm       = 0.36
	endOfOutage     = 0.54
	endOfRecovery   = 0.63
	endOfMemberLoss = 0.74
	endOfMemberBack = 0.82
)

// play is the whole demo, in order. Its error is an interruption, or a server that couldn't come back; what merely did not
// happen is collected in broken.
func (s *stage) play(ctx context.Context) error {
	for _, scene := range []func(context.Context) error{s.earn, s.primaryDies, s.memberDies, s.surge} {
		if err := scene(ctx); err != nil {
			return err
		}
	}
	return nil
}

// until waits for the moment at a share of the length. It is over already when a scene before took longer.
func (s *stage) until(ctx context.Context, share float64) error {
	at := s.began.Add(time.Duration(share * float64(s.length)))
	return sleep(ctx, time.Until(at))
}

const lookEvery = 25 * time.Millisecond

// see waits until seen says yes, for as long as a scene's patience lasts.
func (s *stage) see(ctx context.Context, promise string, seen func(state, figures) bool) error {
	return s.seeWithin(ctx, s.patience.scene, promise, seen)
}

// seeWithin waits for so long. What doesn't show is a broken promise, and the play goes on.
func (s *stage) seeWithin(ctx context.Context, patience time.Duration, promise string, seen func(state, figures) bool) error {
	for deadline := time.Now().Add(patience); ; {
		st, err := s.watch.state()
		if seen(st, s.player.tally.figures()) {
			return nil
		}
		if time.Now().After(deadline) {
			if err != nil {
				promise += fmt.Sprintf(" (the gateway's state: %v)", err)
			}
			s.broken.check(false, "%s", promise)
			return nil
		}
		if err := sleep(ctx, lookEvery); err != nil {
			return err
		}
	}
}

// earn is scene 1: nothing is certified, so that nothing of the primary's is accepted, until verdicts have earned it.
func (s *stage) earn(ctx context.Context) error {
	st, _ := s.watch.state()
	if c := s.certified(st); c.licensed() {
		s.view.announce(1, "Certified by an earlier demo in this folder: %s is accepted at confidence %s or more.", s.cast.primary, cli.Number(c.now.GetThreshold()))
	} else {
		s.view.announce(1, "Nothing is certified, so nothing of %s is accepted: the ensemble %s answers, or a human will. Meanwhile reviewers judge a random share.",
			s.cast.primary, s.cast.ensemble)
		err := s.seeWithin(ctx, s.patience.earning, "the simulated verdicts earned no certificate", func(st state, _ figures) bool { return s.certified(st).licensed() })
		if err != nil {
			return err
		}
		st, _ = s.watch.state()
		if c := s.certified(st); c.licensed() {
			s.view.announce(1, "Certified at row %d: what %s says at confidence %s or more is accepted, of which at most %.3g %% is wrong (but for a probability of %.3g %%).",
				c.row, s.cast.primary, cli.Number(c.now.GetThreshold()), 100*c.alpha, 100*c.delta)
		}
	}
	s.player.batching.Store(true)
	s.view.say("From now on in batches of %d too. Each row has its own route; the promise is about calls of one image, so the ensemble answers batches.", batchRows)
	if err := s.until(ctx, endOfCalm); err != nil {
		return err
	}
	return s.see(ctx, "no row was accepted, or none was answered by the fallback, in normal traffic", func(_ state, f figures) bool {
		return f.routes[candorv1.Route_ROUTE_ACCEPT] > 0 && f.routes[candorv1.Route_ROUTE_FALLBACK] > 0
	})
}

func (s *stage) certified(st state) certified {
	return certifiedOf(s.cast.promise, st, s.player.tally, s.began)
}

// primaryDies is scene 2: killed in the middle of it, back later.
func (s *stage) primaryDies(ctx context.Context) error {
	name := s.cast.primary
	s.view.announce(2, "The model server of %s is killed. Answers go on, labelled fallback and why; its breaker opens.", name)
	before, _ := s.watch.state()
	opened := before.backend(name).GetBreakerOpened()
	if err := s.servers[name].kill(); err != nil {
		return err
	}
	err := s.see(ctx, "the breaker of "+name+" did not open, or no answer was labelled fallback for it", func(st state, f figures) bool {
		return st.backend(name).GetBreakerOpened() > opened && f.reasons[reasonBackendFailure] > 0 && f.reasons[reasonBreakerOpen] > 0
	})
	if err != nil {
		return err
	}
	if err := s.until(ctx, endOfOutage); err != nil {
		return err
	}
	s.view.announce(2, "The model server of %s is back. Probes find out, and the breaker closes.", name)
	if err := s.servers[name].start(ctx); err != nil {
		return err
	}
	if err := s.seeClosed(ctx); err != nil {
		return err
	}
	return s.until(ctx, endOfRecovery)
}

func (s *stage) seeClosed(ctx context.Context) error {
	return s.see(ctx, "not every breaker closed when its model server was back", func(st state, _ figures) bool { return st.allClosed() })
}

// memberDies is scene 3: the ensemble without one of its members.
func (s *stage) memberDies(ctx context.Context) error {
	name := s.cast.member
	s.view.announce(3, "The model server of %s, a member of the ensemble %s, is killed. Its rows are answered by what is left, and say so.",
		name, s.cast.ensemble)
	labelled := func(f figures) int { return f.reasons[reasonQuorumMissed] + f.reasons[reasonMemberMissing] }
	before := labelled(s.player.tally.figures())
	if err := s.servers[name].kill(); err != nil {
		return err
	}
	err := s.see(ctx, "no fallback answer told of the missing "+name, func(_ state, f figures) bool { return labelled(f) > before })
	if err != nil {
		return err
	}
	if err := s.until(ctx, endOfMemberLoss); err != nil {
		return err
	}
	s.view.announce(3, "The model server of %s is back.", name)
	if err := s.servers[name].start(ctx); err != nil {
		return err
	}
	if err := s.seeClosed(ctx); err != nil {
		return err
	}
	return s.until(ctx, endOfMemberBack)
}

// surge is scene 4: far more of one action than its limit lets out, and then normal traffic again, in which it stays
// withheld.
func (s *stage) surge(ctx context.Context) error {
	s.surged = time.Now()
	s.sendHome()
	s.view.say("The simulated reviewers go home: what is deferred from now on waits for a person.")
	if s.latchedBefore {
		s.view.announce(4, "The limit %s is still tripped, by an earlier demo in this folder: every %s is withheld until a person resets it.",
			s.cast.limit, s.cast.action)
		return s.seeWithheld(ctx)
	}
	s.view.announce(4, "A surge of %s: the limit %s lets %d of the action %s out, then it trips and holds the rest for a human.",
		s.cast.surgeText(), s.cast.limit, s.cast.maxCount, s.cast.action)
	s.player.surging.Store(true)
	err := s.see(ctx, "the action limit "+s.cast.limit+" did not trip", func(st state, f figures) bool {
		return st.limit(s.cast.limit).GetTripped() && f.withheld > 0
	})
	s.player.surging.Store(false)
	if err != nil {
		return err
	}
	if st, _ := s.watch.state(); !st.limit(s.cast.limit).GetTripped() {
		return nil // said already; there is no latch to show
	}
	s.view.announce(4, "The limit %s has tripped. Traffic is normal again, and it stays latched: every %s is withheld.", s.cast.limit, s.cast.action)
	return s.seeWithheld(ctx)
}

// seeWithheld waits to the end, in which at least one answer more is withheld.
func (s *stage) seeWithheld(ctx context.Context) error {
	before := s.player.tally.figures().withheld
	err := s.see(ctx, "the action limit "+s.cast.limit+" withheld nothing after its trip", func(_ state, f figures) bool { return f.withheld > before })
	if err != nil {
		return err
	}
	return s.until(ctx, 1)
}

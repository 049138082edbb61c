package backend

import (
	"math"
	"time"
)

const (
	// limitLeast is the least limit there is: a server that answers one call at a time must still find the next one waiting.
	limitLeast = 4
	// gradientTolerance is how many times its time without load an answer may take, gradientSlack what is added: below it, on one
	// machine, the noise of schedulers is larger than any queue.
	gradientTolerance = 1.5
	gradientSlack     = 5 * time.Millisecond
	gradientSmoothing = 0.2
	// windowSamples are in a window at least; it also lasts as long as an answer takes.
	windowSamples = 16
	// dropFactor is what is left of the limit when the model server says that it has too much to do.
	dropFactor = 0.8
	// probeEvery is how old the time without load may get while answers are slower than that; it doubles up to probeSeldom with every
	// look that found nothing. Answers much slower than that (below probeRatio) may be a model that has become slower rather than a
	// queue, and are looked into soon.
	probeEvery  = 10 * time.Second
	probeSoon   = 2 * time.Second
	probeRatio  = 0.75
	probeSeldom = 5 * time.Minute
	// probeWindows pass with half the calls: in the first, what began before still ends.
	probeWindows = 2
	// probeGain: where half the calls are answered in this part of the time or less, the other half was only waiting. Above a half,
	// so that the half that stays isn't less than what the model server can do.
	probeGain = 0.55
	// ownWaits are how often an answer waits for one of our goroutines to run: the one that writes its request, the one that reads from
	// the connection, and the one that called.
	ownWaits = 3
	// growDiv: by this part, and one, a limit grows in a window that nothing slowed down.
	growDiv = 20
)

// gradient finds how many calls a model server works on at once without making them wait for one another: the limit grows while
// answers take no longer than they do without load, and shrinks by the ratio of the two as soon as they do. It is Netflix's Gradient2
// (concurrency-limits) with two changes. Its long average creeps up under lasting overload; here the time without load is measured
// anew, with half the calls for a moment, as BBR measures its round trip (ProbeRTT; Cardwell et al. 2016), and where that moment shows
// that the other half was only waiting, the half stays. And it begins at the bound: of a model server of which nothing is known,
// nobody is refused.
//
// At rest it lies at about gradientTolerance times what the model server can do at once. It isn't safe for concurrent use.
type gradient struct {
	limit, least, most float64
	// base is how long an answer takes without load; 0: not known.
	base time.Duration
	// probing is how many windows are still to pass with no more calls than half, full how long answers took with all.
	probing int
	half    float64
	full    time.Duration
	// probed is when the last probe was, every how long until the next.
	probed time.Time
	every  time.Duration

	samples int
	sum     time.Duration
	peak    int
	begun   time.Time
	dropped bool

	// own is how long a goroutine of ours has waited for a processor of late; nil: nobody knows.
	own func(now time.Time) time.Duration
}

func newGradient(most int) gradient {
	return gradient{
		limit: float64(most), least: float64(min(most, limitLeast)), most: float64(most), every: probeEvery,
	}
}

// allowed is how many calls may be in flight now; at least 1.
func (g *gradient) allowed() int {
	if g.probing > 0 {
		return int(max(1, g.half))
	}
	return int(g.limit)
}

// busy notes how many calls are in flight.
func (g *gradient) busy(n int) { g.peak = max(g.peak, n) }

// drop notes that the model server has refused a call because it has too much to do. Many at once count once.
func (g *gradient) drop(now time.Time) {
	if !g.dropped {
		g.dropped = true
		g.limit = max(g.least, g.limit*dropFactor)
	}
	g.add(now, 0, false)
}

// answered notes an answer, or a time-out, that took so long.
func (g *gradient) answered(now time.Time, took time.Duration) { g.add(now, took, true) }

func (g *gradient) add(now time.Time, took time.Duration, sample bool) {
	if g.begun.IsZero() {
		g.begun = now
	}
	if sample {
		g.samples++
		g.sum += took
	}
	if g.samples < windowSamples {
		// A server that only refuses gives no samples; what it says counts again after a while.
		if g.dropped && now.Sub(g.begun) > max(g.base, time.Second) {
			g.next(now)
		}
		return
	}
	if mean := g.sum / time.Duration(g.samples); now.Sub(g.begun) >= mean {
		g.settle(now, mean)
		g.next(now)
	}
}

// next begins a window.
func (g *gradient) next(now time.Time) {
	g.samples, g.sum, g.peak, g.begun, g.dropped = 0, 0, 0, now, false
}

// slow says that an answer took longer than load alone would explain away.
func (g *gradient) slow(took time.Duration) bool {
	return g.base > 0 && float64(took) > gradientTolerance*float64(g.base)+float64(gradientSlack)
}

// theirs is what is the model server's of the mean time of a window's answers: what our own goroutines waited for a processor is none of
// its load. Never less than without load, which only an answer can say.
func (g *gradient) theirs(now time.Time, mean time.Duration) time.Duration {
	if g.own == nil || g.base == 0 {
		return mean
	}
	return max(min(g.base, mean), mean-ownWaits*g.own(now))
}

// settle moves the limit by what a full window says.
func (g *gradient) settle(now time.Time, mean time.Duration) {
	short := g.theirs(now, mean)
	if g.probing > 0 {
		if g.probing--; g.probing == 0 {
			g.probedWith(now, short)
		}
		return
	}
	if g.probed.IsZero() && g.base == 0 {
		g.probed = now
	}
	if g.base == 0 || short < g.base {
		g.base = short
	}
	if g.dropped {
		return
	}
	// The limit may be above what anybody uses.
	used := min(g.limit, float64(max(1, g.peak)))
	ratio := (gradientTolerance*float64(g.base) + float64(gradientSlack)) / float64(short)
	switch {
	case ratio < 1:
		if g.every = min(g.every, probeEvery); ratio < probeRatio {
			g.every = probeSoon
		}
		fallen := used*max(0.5, ratio) + g.spare()
		g.limit = used + gradientSmoothing*(fallen-used)
	case 2*used >= g.limit:
		g.limit += 1 + g.limit/growDiv
	}
	g.limit = min(g.most, max(g.least, g.limit))
	if used <= g.least {
		// With so few there is no load.
		g.base += (short - g.base) / 4
	} else if now.Sub(g.probed) >= g.every {
		g.probing, g.half, g.full = probeWindows, max(g.least, used/2), short
	}
}

// probedWith ends a probe, in whose last window answers took so long.
func (g *gradient) probedWith(now time.Time, short time.Duration) {
	g.base, g.probed = short, now
	if float64(short) > probeGain*float64(g.full) || g.full-short <= gradientSlack {
		g.every = min(probeSeldom, 2*g.every)
		return
	}
	g.limit, g.every = max(g.least, g.half), probeEvery
	g.probed = time.Time{} // and again, from there
}

// spare is how many calls may wait at the model server, so that it always finds one. Small: with half the limit answers of an
// overloaded server take half as long, which must weigh more.
func (g *gradient) spare() float64 { return math.Sqrt(g.limit) / 2 }

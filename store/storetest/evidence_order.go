package storetest

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/calibration/certificate"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
	"github.com/candor-gateway/candor/review"
)

// beside is a store next to certificate.Stream, which says what the store has to say. Time is the test's own.
type beside struct {
	d       Driver
	rng     *rand.Rand
	key     *candorv1.CertificateKey
	ref     *certificate.Stream
	now     time.Time
	tickets map[string]certificate.Ticket
	// open items that a person will judge; those left out expire.
	open []review.Item
	// wrong is the share of answers that are.
	wrong                          float64
	certified, fired, revoked, old int
}

// testEvidenceOrder draws and judges in random order, against the reference: with expiries, retries, restarts, revocations, and
// answers that get worse halfway through, so that the alarm fires.
func testEvidenceOrder(t *testing.T, d Driver) {
	seeds, steps := 4, 700
	if long() {
		seeds, steps = 12, 1000
	}
	var certified, fired, revoked, old int
	for seed := range seeds {
		key := Key("m", string(rune('a'+seed)))
		key.MaxRows, key.Alpha = 2, 0.4
		if seed%2 == 1 {
			key.Grid = &candorv1.ThresholdGrid{BurnIn: proto.Uint32(40), Steps: proto.Uint32(5), StartCoverage: proto.Float64(0.3)}
		}
		opened := openOne(t, d, key, "")
		ref, err := certificate.NewStream(key, opened.GetOpenedUs())
		if err != nil {
			t.Fatal(err)
		}
		b := &beside{
			d: d, rng: rand.New(rand.NewPCG(uint64(seed), 7)), key: key, ref: ref, now: d.Now(), tickets: map[string]certificate.Ticket{}, wrong: 0.02,
		}
		for step := range steps {
			if step == steps/2 {
				b.wrong = 0.8
			}
			b.step(t)
		}
		b.compare(t)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
		d = b.d
		certified, fired, revoked, old = certified+b.certified, fired+b.fired, revoked+b.revoked, old+b.old
	}
	if certified < seeds || fired < seeds/2 || revoked < seeds/2 || old < seeds {
		t.Errorf("%d times certified, %d alarms, %d revocations, %d verdicts for ended versions; this shows too little", certified, fired, revoked, old)
	}
}

func (b *beside) step(t *testing.T) {
	t.Helper()
	b.now = b.now.Add(time.Duration(1+b.rng.IntN(1000)) * time.Microsecond)
	switch r := b.rng.Float64(); {
	case r < 0.3:
		b.draw(t)
	case r < 0.9 && len(b.open) > 0:
		// Rarely one that was drawn much later than the oldest.
		b.resolve(t, b.rng.IntN(min(len(b.open), 1+b.rng.IntN(20))))
	case r < 0.96:
		b.expire(t)
	case r < 0.98:
		b.compare(t)
	case r < 0.981:
		b.revoke(t)
	case r < 0.99:
		b.d = b.d.Reopen(t)
	}
}

func (b *beside) draw(t *testing.T) {
	t.Helper()
	rec, items := Audit(b.now, certificate.ID(b.ref.State), 1+b.rng.IntN(2))
	least := 0.5 + 0.5*b.rng.Float64()
	var rows []certificate.Row
	for i := range items {
		it, sq := &items[i], &items[i].Sequences[0]
		sq.Least, sq.Probability = least, least+(1-least)*b.rng.Float64()
		sq.Confidence, sq.Foreign, sq.Accepted = 1-math.Pow(b.rng.Float64(), 3), b.rng.Float64() < 0.05, b.rng.Float64() < 0.5
		it.Deadline = b.now.Add(24 * time.Hour)
		if b.rng.Float64() < 0.02 {
			it.Deadline = b.now.Add(time.Duration(b.rng.IntN(5000)) * time.Microsecond)
		} else {
			b.open = append(b.open, *it)
		}
		rows = append(rows, certificate.Row{Confidence: sq.Confidence, Propensity: sq.Probability, Accepted: sq.Accepted, Foreign: sq.Foreign})
	}
	if err := b.d.Record(t.Context(), rec, items); err != nil {
		t.Fatalf("Record: %v", err)
	}
	tickets, err := b.ref.Draw(least, rows, rec.GetTimeUs())
	if err != nil {
		t.Fatal(err)
	}
	for i, it := range items {
		b.tickets[it.ID] = tickets[i]
	}
}

func (b *beside) resolve(t *testing.T, i int) {
	t.Helper()
	it := b.open[i]
	b.open = append(b.open[:i], b.open[i+1:]...)
	label, loss := "a", 0.0
	if b.rng.Float64() < b.wrong {
		label, loss = "b", 1
	}
	r := resolve(claimID(t, b.d, it.ID, "ann", b.now), b.now, label, "r-"+it.ID)
	for n := 1 + b.rng.IntN(2); n > 0; n-- { // a client that didn't get the answer asks again
		if _, err := Finish(t.Context(), b.d, it.ID, r, out); err != nil {
			t.Fatalf("Finish: %v", err)
		}
	}
	b.settle(t, it.ID, loss, false)
}

func (b *beside) expire(t *testing.T) {
	t.Helper()
	due, err := b.d.Due(t.Context(), b.now, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range due {
		change(t, b.d, it.ID, review.Expire{Now: b.now})
		b.settle(t, it.ID, 0, true)
	}
}

func (b *beside) settle(t *testing.T, item string, loss float64, missing bool) {
	t.Helper()
	ended := len(b.ref.Ended)
	change, err := b.ref.Settle(b.tickets[item], loss, missing, b.now.UnixMicro())
	if err != nil {
		t.Fatal(err)
	}
	if change.Certified {
		b.certified++
	}
	if change.Fired {
		b.fired++
	}
	sq := get(t, b.d, item).Sequences[0]
	if _, version, err := certificate.SplitID(sq.Certificate); err == nil && sq.Number > 0 && version != b.ref.State.GetVersion() && len(b.ref.Ended) == ended {
		b.old++
	}
}

// revoke does to the reference what the store does.
func (b *beside) revoke(t *testing.T) {
	t.Helper()
	state := b.ref.State
	got, err := b.d.RevokeCertificate(t.Context(), certificate.ID(state), people.By{Name: "ann", Reason: "for the test"}, "r")
	if err != nil {
		t.Fatal(err)
	}
	certificate.End(state, candorv1.CertificateStatus_CERTIFICATE_STATUS_REVOKED, "ann", "for the test", got.GetEndedUs())
	sameState(t, "revoked", state, got)
	next, err := certificate.NewStream(b.key, got.GetEndedUs())
	if err == nil {
		next.Ended = append(b.ref.Ended, state)
		next.State, err = certificate.Next(state, nil, got.GetEndedUs())
	}
	if err != nil {
		t.Fatal(err)
	}
	b.ref = next
	b.revoked++
}

// compare holds every version against the reference's, to the last bit of every number.
func (b *beside) compare(t *testing.T) {
	t.Helper()
	sameState(t, "in force", b.ref.State, current(t, b.d, b.key))
	for _, want := range b.ref.Ended {
		got, err := b.d.Certificate(t.Context(), certificate.ID(want))
		if err != nil {
			t.Fatal(err)
		}
		sameState(t, "ended", want, got)
	}
}

// testEvidenceConcurrent draws and judges from many goroutines: every unit is consumed, once, and the evidence is that of the
// units one after the other.
func testEvidenceConcurrent(t *testing.T, d Driver) {
	const callers, calls = 8, 25
	key := Key("m", "small")
	key.MaxRows, key.AlarmRunLength = 2, 1e9
	opened := openOne(t, d, key, "")
	id := certificate.ID(opened)
	var mu sync.Mutex
	var all []review.Item
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(c), 11))
			for range calls {
				rec, items := Audit(d.Now(), id, 2)
				for i := range items {
					items[i].Sequences[0].Confidence, items[i].Sequences[0].Accepted = rng.Float64(), true
				}
				if err := d.Record(t.Context(), rec, items); err != nil {
					t.Errorf("Record: %v", err)
					return
				}
				mu.Lock()
				all = append(all, items...)
				rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
				todo := all[:len(all)/2]
				all = append([]review.Item(nil), all[len(all)/2:]...)
				mu.Unlock()
				for _, it := range todo {
					resolveQuietly(t, d, it, rng)
				}
			}
		})
	}
	wg.Wait()
	rng := rand.New(rand.NewPCG(99, 11))
	for _, it := range all {
		resolveQuietly(t, d, it, rng)
	}
	state := current(t, d, key)
	const units = callers * calls
	if state.GetUnitsConsumed() != units || state.GetNextConsumed() != units+1 || state.GetNextNumber() != units+1 {
		t.Errorf("%d units consumed, the next to consume is %d, to draw %d; want %d, %d, %[4]d", state.GetUnitsConsumed(),
			state.GetNextConsumed(), state.GetNextNumber(), units, units+1)
	}
	want := Replay(t, d, opened, nil)
	sameState(t, "replayed in order", Timeless(want), Timeless(state))
}

func resolveQuietly(t *testing.T, d Driver, it review.Item, rng *rand.Rand) {
	label := "a"
	if rng.IntN(10) == 0 {
		label = "b"
	}
	now := d.Now()
	held, err := d.Next(t.Context(), review.Claim{ID: it.ID, Holder: "ann", Now: now, LeaseFor: minute})
	if err == nil {
		_, err = Finish(t.Context(), d, it.ID, resolve(held, now, label, uuid.NewString()), out)
	}
	if err != nil {
		t.Errorf("item %s: %v", it.ID, err)
	}
}

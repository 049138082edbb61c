package storetest

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/calibration/certificate"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
	"github.com/candor-gateway/candor/review"
)

var evidenceTests = []test{
	{"verdicts in any order are the reference's evidence", testEvidenceOrder},
	{"verdicts at the same time are each counted once", testEvidenceConcurrent},
	{"an input enters once", testInputsOnce},
	{"a cluster enters once", testClustersOnce},
	{"what can't count has the number 0", testUncounted},
	{"one verdict scores every stage", testEveryStage},
	{"answers are held against verdicts", testJudged},
	{"an audit is nobody's answer", testAudit},
	{"an audit's deadline", testAuditExpires},
	{"only final verdicts are evidence", testFinalEvidence},
}

// numbers of the parts of items, as stored.
func numbers(t *testing.T, d Driver, items []review.Item) (out []uint64) {
	t.Helper()
	for _, it := range items {
		for _, sq := range get(t, d, it.ID).Sequences {
			out = append(out, sq.Number)
		}
	}
	return out
}

// recordRows records a call of n rows for the version of the key that is in force, and answers the rows' numbers.
func recordRows(t *testing.T, d Driver, key *candorv1.CertificateKey, n int, change func(i int, it *review.Item)) []uint64 {
	t.Helper()
	rec, items := Audit(d.Now(), certificate.ID(current(t, d, key)), n)
	for i := range items {
		change(i, &items[i])
	}
	if err := d.Record(t.Context(), rec, items); err != nil {
		t.Fatalf("Record: %v", err)
	}
	return numbers(t, d, items)
}

func wantNumbers(t *testing.T, what string, got []uint64, want ...uint64) {
	t.Helper()
	if diff(want, got) != "" {
		t.Errorf("%s: numbers %v, want %v", what, got, want)
	}
}

// bytesOf makes 16 bytes, of an input or of a cluster.
func bytesOf(n byte) []byte {
	out := make([]byte, 16)
	out[3] = n
	return out
}

func testInputsOnce(t *testing.T, d Driver) {
	key := Key("m", "small")
	key.MaxRows = 4
	id := certificate.ID(openOne(t, d, key, ""))
	inputs := func(all ...byte) func(int, *review.Item) {
		return func(i int, it *review.Item) { it.Input = bytesOf(all[i]) }
	}
	wantNumbers(t, "new ones, one of them twice", recordRows(t, d, key, 4, inputs(1, 2, 1, 3)), 1, 1, 0, 1)
	d = d.Reopen(t)
	wantNumbers(t, "one is new", recordRows(t, d, key, 2, inputs(2, 4)), 0, 2)
	wantNumbers(t, "none is new", recordRows(t, d, key, 2, inputs(4, 3)), 0, 0)
	if s := current(t, d, key); s.GetDrawn() != 4 || s.GetNextNumber() != 3 {
		t.Errorf("%d rows drawn, the next is %d; want 4 and 3: a call without new rows draws nothing", s.GetDrawn(), s.GetNextNumber())
	}
	other := Key("m", "large")
	openOne(t, d, other, "")
	wantNumbers(t, "of another certificate", recordRows(t, d, other, 1, inputs(1)), 1)
	if _, err := d.RevokeCertificate(t.Context(), id, people.By{Name: "ann", Reason: "why"}, "r"); err != nil {
		t.Fatal(err)
	}
	wantNumbers(t, "the next version", recordRows(t, d, key, 2, inputs(1, 5)), 0, 1)
}

func testClustersOnce(t *testing.T, d Driver) {
	key := Key("m", "small")
	key.MaxRows = 4
	openOne(t, d, key, "")
	clusters := func(all ...byte) func(int, *review.Item) {
		return func(i int, it *review.Item) {
			if all[i] != 0 {
				it.Cluster = bytesOf(all[i])
			}
		}
	}
	wantNumbers(t, "new ones", recordRows(t, d, key, 4, clusters(1, 1, 0, 2)), 1, 1, 1, 1)
	wantNumbers(t, "all rows of an old one are left out", recordRows(t, d, key, 4, clusters(2, 2, 3, 0)), 0, 0, 2, 2)
	wantNumbers(t, "an input that looks like a cluster", recordRows(t, d, key, 1, func(_ int, it *review.Item) { it.Input = bytesOf(1) }), 3)
	wantNumbers(t, "a row whose input is old", recordRows(t, d, key, 1, func(_ int, it *review.Item) {
		it.Input, it.Cluster = bytesOf(1), bytesOf(9)
	}), 0)
	wantNumbers(t, "its cluster hasn't entered with it", recordRows(t, d, key, 1, clusters(9)), 4)
}

func testUncounted(t *testing.T, d Driver) {
	key := Key("m", "small")
	key.MaxRows = 2
	openOne(t, d, key, "")
	if _, err := d.RevokeCertificate(t.Context(), certificate.Digest(key)+".1", people.By{Name: "ann", Reason: "why"}, "r"); err != nil {
		t.Fatal(err)
	}
	before := current(t, d, key)
	for name, spoil := range map[string]func(*review.Sequence){
		"ended":                    func(sq *review.Sequence) { sq.Certificate = certificate.Digest(key) + ".1" },
		"not opened yet":           func(sq *review.Sequence) { sq.Certificate = certificate.Digest(key) + ".3" },
		"unknown":                  func(sq *review.Sequence) { sq.Certificate = "0123456789abcdef.1" },
		"no id":                    func(sq *review.Sequence) { sq.Certificate = "" },
		"a confidence above 1":     func(sq *review.Sequence) { sq.Confidence = 1.5 },
		"no confidence":            func(sq *review.Sequence) { sq.Confidence = math.NaN() },
		"a probability of 0":       func(sq *review.Sequence) { sq.Probability, sq.Least = 0, 0 },
		"less than the least":      func(sq *review.Sequence) { sq.Probability, sq.Least = 0.1, 0.2 },
		"a probability of nothing": func(sq *review.Sequence) { sq.Probability = math.NaN() },
	} {
		rec, items := Audit(d.Now(), certificate.ID(before), 1)
		items[0].Input = bytesOf(7)
		spoil(&items[0].Sequences[0])
		if err := d.Record(t.Context(), rec, items); err != nil {
			t.Errorf("%s: %v: the answer is withheld", name, err)
			continue
		}
		for _, n := range numbers(t, d, items) {
			if n != 0 {
				t.Errorf("%s: number %d", name, n)
			}
		}
		judge(t, d, items[0], "a")
	}
	wantNumbers(t, "more rows than one call has", recordRows(t, d, key, 3, func(int, *review.Item) {}), 0, 0, 0)
	wantNumbers(t, "rows with leasts of their own", recordRows(t, d, key, 2, func(i int, it *review.Item) {
		it.Sequences[0].Least -= float64(i) / 2
	}), 0, 0)
	sameState(t, "after what can't count", before, current(t, d, key))
	wantNumbers(t, "an input that was among it", recordRows(t, d, key, 1, func(_ int, it *review.Item) { it.Input = bytesOf(7) }), 1)
}

func testEveryStage(t *testing.T, d Driver) {
	small, large := Key("m", "small"), Key("m", "large")
	openOne(t, d, small, "")
	id := certificate.ID(openOne(t, d, large, ""))
	feed(t, d, large, 2, 0.95, nil)
	it := drawRow(t, d, small, 0.95, func(it *review.Item) {
		it.Sequences = append(it.Sequences, review.Sequence{Certificate: id, Probability: 0.5, Least: 0.5, Confidence: 0.7, Label: "b"})
	})
	done := judge(t, d, it, "a")
	if len(done.Sequences) != 2 {
		t.Fatalf("%d parts, want 2", len(done.Sequences))
	}
	for _, sq := range done.Sequences {
		if want := map[bool]uint64{true: 3, false: 1}[sq.Certificate == id]; sq.Number != want {
			t.Errorf("%s: number %d, want %d", sq.Certificate, sq.Number, want)
		}
	}
	if s := current(t, d, small); s.GetUnitsConsumed() != 1 || s.GetErrors()[1] != 0 {
		t.Errorf("the small one was right: %v", s)
	}
	if s := current(t, d, large); s.GetUnitsConsumed() != 3 || s.GetErrors()[1] != 1 || s.GetErrors()[0] != 0 {
		t.Errorf("the large one was wrong, at 0.7: %v", s)
	}
}

func testJudged(t *testing.T, d Driver) {
	label := func(s string) *candorv1.Verdict { return &candorv1.Verdict{Answer: &candorv1.Verdict_Label{Label: s}} }
	value := func(v float64) *candorv1.Verdict { return &candorv1.Verdict{Answer: &candorv1.Verdict_Value{Value: v}} }
	const right, wrong, missing = "right", "wrong", "missing"
	for i, tc := range []struct {
		tolerance *float64
		label     string
		value     *float64
		verdict   *candorv1.Verdict
		want      string
	}{
		{nil, "a", nil, label("a"), right},
		{nil, "a", nil, label("A"), wrong},
		{nil, "a", nil, label("a "), wrong},
		{nil, "a", proto.Float64(1), value(1), missing},
		{proto.Float64(0.5), "", proto.Float64(2), value(2.5), right},
		{proto.Float64(0.5), "", proto.Float64(2), value(1.5), right},
		{proto.Float64(0.5), "", proto.Float64(2), value(math.Nextafter(2.5, 3)), wrong},
		{proto.Float64(0), "", proto.Float64(math.Nextafter(0.3, 1)), value(0.3), wrong},
		{proto.Float64(0), "", proto.Float64(0.3), value(0.3), right},
		{proto.Float64(0.5), "a", proto.Float64(2), label("a"), missing},
		{proto.Float64(0.5), "", nil, value(0), missing},
	} {
		key := Key("m", fmt.Sprint("stage ", i))
		key.Tolerance = tc.tolerance
		openOne(t, d, key, "")
		it := drawRow(t, d, key, 0.95, func(it *review.Item) { it.Sequences[0].Label, it.Sequences[0].Value = tc.label, tc.value })
		now := d.Now()
		r := resolve(claimID(t, d, it.ID, "ann", now), now, "", uuid.NewString())
		r.Verdict = tc.verdict
		if _, err := Finish(t.Context(), d, it.ID, r, out); err != nil {
			t.Fatal(err)
		}
		s := current(t, d, key)
		got := map[[3]uint64]string{{1, 0, 0}: right, {1, 1, 0}: wrong, {0, 0, 1}: missing}[[3]uint64{s.GetLabels()[0], s.GetErrors()[0], s.GetMissing()[0]}]
		if got != tc.want {
			t.Errorf("%q %v judged %v: %q, want %q", tc.label, tc.value, tc.verdict, got, tc.want)
		}
	}
}

func testAudit(t *testing.T, d Driver) {
	key := Key("m", "small")
	openOne(t, d, key, "")
	it := drawRow(t, d, key, 0.95, nil)
	if got := get(t, d, it.ID); got.Kind != candorv1.ReviewKind_REVIEW_KIND_AUDIT || got.Release != candorv1.ReleaseState_RELEASE_STATE_RELEASED {
		t.Errorf("a new audit: %v, %v", got.Kind, got.Release)
	}
	changed, now := d.Changed(), d.Now()
	// A limit has nothing to hold.
	done, err := Finish(t.Context(), d, it.ID, resolve(claimID(t, d, it.ID, "ann", now), now, "b", "r"),
		review.Gated{Release: candorv1.ReleaseState_RELEASE_STATE_HELD, HeldBy: "declines"})
	if err != nil {
		t.Fatal(err)
	}
	if done.Release != candorv1.ReleaseState_RELEASE_STATE_RELEASED || done.HeldBy != "" || done.Verdict.GetLabel() != "b" {
		t.Errorf("a judged audit: %v, held by %q, %v", done.Release, done.HeldBy, done.Verdict)
	}
	if diff := diff(done, get(t, d, it.ID)); diff != "" {
		t.Errorf("answered and stored (-answered +stored):\n%s", diff)
	}
	if finals, err := d.Finals(t.Context(), 0, 10); err != nil || len(finals) != 0 || closed(changed) {
		t.Errorf("%d final answers (%v), somebody was woken: %t; nobody waits for an audit's", len(finals), err, closed(changed))
	}
	if held, err := d.Held(t.Context(), nil, review.HeldPlace{}, 10); err != nil || len(held) != 0 {
		t.Errorf("held: %v (%v)", ids(held), err)
	}
	if got := it.Proto().GetKind(); got != candorv1.ReviewKind_REVIEW_KIND_AUDIT {
		t.Errorf("callers see %v", got)
	}
	rec, items := Deferral(now, "q", 1)
	items[0].Kind = 99
	if err := d.Record(t.Context(), rec, items); err == nil {
		t.Error("an unknown kind was accepted")
	}
}

func testAuditExpires(t *testing.T, d Driver) {
	key := Key("m", "small")
	openOne(t, d, key, "")
	it := drawRow(t, d, key, 0.95, accepted)
	change(t, d, it.ID, review.Expire{Now: it.Deadline.Add(time.Second), Verdict: Verdict("an audit has no default answer")})
	got := get(t, d, it.ID)
	if got.State != candorv1.ReviewState_REVIEW_STATE_EXPIRED || got.Verdict != nil || got.Release != candorv1.ReleaseState_RELEASE_STATE_RELEASED {
		t.Errorf("an expired audit: %v, %v, %v", got.State, got.Verdict, got.Release)
	}
	if finals, err := d.Finals(t.Context(), 0, 10); err != nil || len(finals) != 0 {
		t.Errorf("%d final answers (%v), want none", len(finals), err)
	}
	if s := current(t, d, key); s.GetMissing()[0] != 1 || s.GetUnitsConsumed() != 1 || s.GetAudits() != 0 || s.GetRecentMissing() != 1 {
		t.Errorf("an audit without a verdict: %v", s)
	}
}

// A verdict that can still be taken back is no evidence, nor is what replaces a final one.
func testFinalEvidence(t *testing.T, d Driver) {
	key := Key("m", "small")
	openOne(t, d, key, "")
	opened := current(t, d, key)
	it := drawRow(t, d, key, 0.95, nil)
	drawn := current(t, d, key)
	now := d.Now()
	r := resolve(claimID(t, d, it.ID, "ann", now), now, "b", "1")
	r.Window = time.Minute
	change(t, d, it.ID, r)
	sameState(t, "in the window", drawn, current(t, d, key))
	again := change(t, d, it.ID, review.Undo{Reviewer: "ann", Now: now, LeaseUntil: now.Add(time.Minute), RequestID: "2", Window: time.Minute})
	sameState(t, "taken back", drawn, current(t, d, key))
	r = resolve(again, now, "b", "3")
	r.Window = time.Minute
	change(t, d, it.ID, r)
	settled := change(t, d, it.ID, review.Revise{Reviewer: "ann", Now: now, Verdict: Verdict("a"), RequestID: "4", Window: time.Minute})
	sameState(t, "revised", drawn, current(t, d, key))
	change(t, d, it.ID, review.Finalize{Now: settled.UndoUntil, Gated: out})
	final := current(t, d, key)
	if final.GetUnitsConsumed() != opened.GetUnitsConsumed()+1 || final.GetErrors()[0] != 0 || final.GetLabels()[0] != 1 {
		t.Errorf("final: %v", final)
	}
	change(t, d, it.ID, review.Supersede{By: "sue", Now: settled.UndoUntil, Verdict: Verdict("b"), RequestID: "5", Gated: out})
	sameState(t, "superseded", final, current(t, d, key))
}

package sqlite_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/protobuf/testing/protocmp"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
	"github.com/candor-gateway/candor/store/sqlite"
	"github.com/candor-gateway/candor/store/storetest"
)

// reviewLog answers the verdicts of the log, oldest first, and the verbs of what was administered.
func reviewLog(t *testing.T, d driver) (verdicts []*candorv1.VerdictRecord, verbs []string) {
	t.Helper()
	scan, err := d.Scan(t.Context(), time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for rec, err := range scan.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if v := rec.GetVerdict(); v != nil {
			verdicts = append(verdicts, v)
		}
		if a := rec.GetAdmin(); a != nil {
			verbs = append(verbs, a.GetVerb()+" "+a.GetBy()+" "+a.GetSubject()+" "+a.GetReason())
		}
	}
	return verdicts, verbs
}

func mustClaim(t *testing.T, d driver, id, holder string, now time.Time) review.Lease {
	t.Helper()
	it, err := d.Next(t.Context(), review.Claim{ID: id, Holder: holder, Senior: true, Now: now, LeaseFor: hour})
	if err != nil {
		t.Fatal(err)
	}
	return review.Lease{Holder: holder, Epoch: it.Epoch}
}

func mustChange(t *testing.T, d driver, id string, acts ...review.Act) {
	t.Helper()
	for _, a := range acts {
		if _, err := d.Change(t.Context(), id, a); err != nil {
			t.Fatalf("%T: %v", a, err)
		}
	}
}

// The decision log has every final answer, with how it came about, and nothing of what was taken back.
func TestVerdictRecords(t *testing.T) {
	d := open(t, initialised(t), sqlite.Options{})
	now := d.Now()
	rec, items := storetest.Deferral(now, "q", 1)
	items[0].Wanted, items[0].Agree = 2, 2
	if err := d.Record(t.Context(), rec, items); err != nil {
		t.Fatal(err)
	}
	id := items[0].ID
	give := func(who, label string) {
		t.Helper()
		mustChange(t, d, id, review.Resolve{
			Lease: mustClaim(t, d, id, who, now), Now: now, Verdict: storetest.Verdict(label), Window: time.Minute,
		})
	}
	give("ann", "0")
	give("bob", "1")
	give("sue", "2")
	mustChange(t, d, id,
		review.Revise{Reviewer: "sue", Now: now, Verdict: storetest.Verdict("1"), Window: time.Minute},
		review.Finalize{Now: now.Add(time.Minute), Gated: review.Gated{Release: candorv1.ReleaseState_RELEASE_STATE_HELD, HeldBy: "declines", Action: "approve"}},
		review.LetOut{Now: now.Add(2 * time.Minute)},
		review.Supersede{By: "tom", Now: now.Add(3 * time.Minute), Verdict: storetest.Verdict("0"), Gated: released})
	item, prediction := uuid.MustParse(id), uuid.MustParse(items[0].PredictionID)
	final := candorv1.VerdictRecord{
		ReviewItem: item[:], PredictionId: prediction[:], Author: "sue", Label: "1", FirstLabel: "2", StatedReason: "looked at it", Epoch: 3,
		ReleaseState: candorv1.ReleaseState_RELEASE_STATE_HELD, Limit: "declines", Action: "approve", Kind: candorv1.ReviewKind_REVIEW_KIND_DEFERRED,
		Reason: candorv1.Reason_REASON_VERDICT, Verdicts: 3, Agreeing: 2, Adjudication: true,
	}
	want := []*candorv1.VerdictRecord{&final}
	for _, change := range []func(*candorv1.VerdictRecord){
		func(v *candorv1.VerdictRecord) { v.ReleaseState, v.Limit = released.Release, "" },
		func(v *candorv1.VerdictRecord) {
			v.ReleaseState, v.Limit, v.Action, v.Author, v.Label, v.FirstLabel = released.Release, "", "", "tom", "0", ""
			v.Adjudication, v.Agreeing, v.Supersedes, v.Reason = false, 1, true, candorv1.Reason_REASON_SUPERSEDED
		},
	} {
		next := &candorv1.VerdictRecord{
			ReviewItem: final.ReviewItem, PredictionId: final.PredictionId, Author: final.Author, Label: final.Label, FirstLabel: final.FirstLabel,
			StatedReason: final.StatedReason, Epoch: final.Epoch, Action: final.Action, Kind: final.Kind, Reason: final.Reason,
			Verdicts: final.Verdicts, Agreeing: final.Agreeing, Adjudication: final.Adjudication,
		}
		change(next)
		want = append(want, next)
	}
	got, _ := reviewLog(t, d)
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("the log's verdicts (-want +got):\n%s", diff)
	}
}

// What was done to questions and payloads is in the log, and so is a golden item's verdict.
func TestReviewAdministration(t *testing.T) {
	d := open(t, initialised(t), sqlite.Options{})
	now := d.Now()
	g := review.Golden{ID: uuid.NewString(), Queue: "q", Answer: &candorv1.VerdictAnswer{Answer: &candorv1.VerdictAnswer_Label{Label: "1"}}}
	if _, err := d.AddGolden(t.Context(), g, review.By{Name: "sue"}, "r", now); err != nil {
		t.Fatal(err)
	}
	it, err := d.NextGolden(t.Context(), review.Claim{Holder: "ann", Now: now, LeaseFor: hour}, review.Item{
		ID: uuid.NewString(), PredictionID: uuid.NewString(), Created: now, Deadline: now.Add(time.Hour), SamplingProbability: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	mustChange(t, d, it.ID, review.Release{Lease: review.Lease{Holder: "ann", Epoch: it.Epoch}, Now: now})
	if err := d.DeleteGolden(t.Context(), g.ID, review.By{Name: "sue"}, now); err != nil {
		t.Fatal(err)
	}
	rec, items := storetest.Deferral(now, "q", 1)
	if err := d.Record(t.Context(), rec, items); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := d.DeletePayload(t.Context(), items[0].ID, review.By{Name: "root"}, "asked for", now); err != nil {
			t.Fatal(err)
		}
	}
	verdicts, verbs := reviewLog(t, d)
	want := []string{
		"golden.create sue goldenItems/" + g.ID + " ", "golden.delete sue goldenItems/" + g.ID + " ",
		"payload.delete root reviewItems/" + items[0].ID + " asked for",
	}
	if diff := cmp.Diff(want, verbs); diff != "" {
		t.Errorf("administration (-want +got):\n%s", diff)
	}
	if len(verdicts) != 1 || verdicts[0].GetGolden() != g.ID || verdicts[0].GetAuthor() != "gateway" || verdicts[0].GetLabel() != "" {
		t.Errorf("a golden item that was given back: %v", verdicts)
	}
	if report, err := d.VerifyLog(t.Context()); err != nil || report.Fault() != nil || report.Writers[0].PayloadsRemoved != 1 {
		t.Errorf("the log: %+v, %v", report, err)
	}
}

// Items that share a payload are verified and forgotten as those that have one each, also when one has taken another's place.
func TestJoinedPayloads(t *testing.T) {
	d := open(t, initialised(t), sqlite.Options{})
	now := d.Now()
	var ids []string
	for i := range 3 {
		rec, items := storetest.Deferral(now, "q", 1)
		items[0].Sequences, items[0].Join = nil, &review.Join{Key: make([]byte, 16), Since: now, Max: 10}
		if i == 0 {
			items[0].Deadline = now.Add(time.Minute)
		}
		if err := d.Record(t.Context(), rec, items); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, items[0].ID)
	}
	verify := func(what string, there, removed uint64) {
		t.Helper()
		report, err := d.VerifyLog(t.Context())
		if err != nil || report.Fault() != nil || report.Writers[0].Payloads != there || report.Writers[0].PayloadsRemoved != removed {
			t.Errorf("%s: %+v, %v, %v", what, report, report.Fault(), err)
		}
	}
	verify("joined", 3, 0)
	mustChange(t, d, ids[0], review.Expire{Now: now.Add(time.Minute)})
	verify("succeeded", 3, 0)
	const age = time.Hour
	if n, err := d.Sweep(t.Context(), now.Add(time.Minute+age), age); err != nil || n != 1 {
		t.Errorf("removed %d, %v; want the first one's alone", n, err)
	}
	verify("the first is forgotten", 2, 1)
	heir := ids[1]
	if it, err := d.Get(t.Context(), heir); err != nil || it.JoinedTo != "" {
		heir = ids[2]
	}
	mustChange(t, d, heir, review.Expire{Now: now.Add(2 * time.Hour)})
	if n, err := d.Sweep(t.Context(), now.Add(2*time.Hour+age), age); err != nil || n != 1 {
		t.Errorf("removed %d, %v; want the heir's", n, err)
	}
	verify("the heir is forgotten", 1, 2)
}

// After the retention's time nobody repeats a request: its id is forgotten, and the act is judged by the item's state.
func TestRequestsAreForgotten(t *testing.T) {
	d := open(t, initialised(t), sqlite.Options{})
	now := d.Now()
	rec, items := storetest.Deferral(now, "q", 1)
	if err := d.Record(t.Context(), rec, items); err != nil {
		t.Fatal(err)
	}
	id := items[0].ID
	r := attempt(id, "ann", mustClaim(t, d, id, "ann", now).Epoch, "1", now)
	mustChange(t, d, id, r, r)
	const age = time.Hour
	for _, step := range []struct {
		at    time.Time
		known bool
	}{{now.Add(age / 2), true}, {d.Now().Add(age), false}} {
		if _, err := d.Sweep(t.Context(), step.at, age); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Change(t.Context(), id, r); (err == nil) != step.known {
			t.Errorf("at %v: %v", step.at.Sub(now), err)
		}
	}
}

package config

import (
	"strings"
	"testing"
)

// Each case changes the faultless configuration's queue.
func TestCheckQueues(t *testing.T) {
	const desk = "queues.desk."
	queue := func(more string) edit {
		return edit{"desk: {reviewers: [ana]}", "desk: {" + more + "}\n  other: {}"}
	}
	promise := edit{"{threshold: {probability: 0.9}}", "{promise: {alpha: 0.05, delta: 0.05, audit: {rate: 0.1}}}"}
	senior := edit{"roles: [reviewer, operator]", "roles: [senior, operator]"}
	unused := "warning: queues.other: nothing refers to it"
	for _, tc := range []struct {
		name  string
		edits []edit
		want  []string
	}{
		{"a senior may review", []edit{senior}, nil},
		{"escalation", []edit{queue("escalate_to: [other]")}, nil},
		{"escalation to itself", []edit{queue("escalate_to: [desk, other]")}, []string{desk + "escalate_to[0]: is the queue itself"}},
		{"escalation to nowhere", []edit{queue("escalate_to: [othr]")}, []string{desk + `escalate_to[0]: there is no queue "othr"; write other`, unused}},
		{"a window longer than the deadline", []edit{queue("deadline: 1m, undo_window: 2m")}, []string{"warning: " + desk + "undo_window: is 2m0s, and its items are due after 1m0s", unused}},
		{"agreement", []edit{senior, queue("agreement: {}")}, []string{unused}},
		{"agreement without a senior", []edit{queue("agreement: {reviewers: 3}")}, []string{"warning: " + desk + "agreement: nobody may decide", unused}},
		{"agreement of too many", []edit{senior, queue("agreement: {reviewers: 2, agree: 3}")}, []string{desk + "agreement.agree: 3 of 2 reviewers can't agree; write at most 2", unused}},
		{"agreement of a minority", []edit{senior, queue("agreement: {reviewers: 4, agree: 2}")}, []string{"warning: " + desk + "agreement.agree: 2 of 4 is no majority: who comes first decides; write 3 or more", unused}},
		{"too few for agreement", []edit{senior, queue("reviewers: [ana], agreement: {}")}, []string{desk + "agreement.reviewers: the queue has 1", unused}},
		{"golden in sight", []edit{queue("blind: false, golden: {share: 0.1}")}, []string{"warning: " + desk + "golden: the queue isn't blind", unused}},
		{"evidence in sight", []edit{promise, queue("blind: false")}, []string{"models.mail.policy.review.queue: queues.desk isn't blind", unused}},
		{"no share for audits", []edit{promise, queue("audit_share: 0")}, []string{"warning: " + desk + "audit_share: audits come only when nothing else waits", unused}},
		{"a share that is none", []edit{queue("audit_share: 2")}, []string{desk + "audit_share: is out of range", unused}},
		{"a reason that is too long", []edit{queue("reasons: ['" + strings.Repeat("r", 257) + "']")}, []string{desk + "reasons[0]: has more than 256 characters", unused}},
		{"where traces are", []edit{{"queues:", "telemetry: {trace_url: 'https://t.example.com/{trace_id}'}\nqueues:"}}, nil},
		{"traces without an id", []edit{{"queues:", "telemetry: {trace_url: 'https://t.example.com/'}\nqueues:"}}, []string{"telemetry.trace_url: every link would lead to the same page"}},
		{"traces on no page", []edit{{"queues:", "telemetry: {trace_url: 't.example.com/{trace_id}'}\nqueues:"}}, []string{"telemetry.trace_url: \"t.example.com/{trace_id}\" is no address"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, faults := Parse("base.yaml", base(t, tc.edits...))
			expect(t, faults, tc.want)
		})
	}
}

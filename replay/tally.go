package replay

import (
	"math"
	"strings"
	"time"

	"github.com/google/uuid"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// tally counts the rows of one model.
type tally struct {
	model  *Model
	replay *Replay

	rows              uint64
	decided, callers  map[[2]Outcome]uint64
	observed          bool
	changed           uint64
	changes           []Change
	causes            map[causeKey]uint64
	asked             map[int]uint64
	seen              map[int]*seen
	deferred          [3]uint64 // before, after, unknown
	audited           uint64
	notDeferred       uint64
	groups            map[Group]*group
	labels            map[string]*Moved
	actions           map[string]*Action
	regression        bool
	comparableBefore  uint64
	comparableAfter   uint64
	unknownAcceptable uint64
}

type causeKey struct {
	cause  Cause
	detail string
}

// seen is what became of the rows that a tier was asked about.
type seen struct{ answered, deferred, rejected uint64 }

// group of rows whose errors are estimated.
type group struct {
	rows, chosen, open, unsampled uint64
	verdicts, outcomes            weighted
}

func newTally(m *Model, r *Replay) *tally {
	t := &tally{
		model: m, replay: r, decided: map[[2]Outcome]uint64{}, callers: map[[2]Outcome]uint64{}, causes: map[causeKey]uint64{},
		asked: map[int]uint64{}, seen: map[int]*seen{}, groups: map[Group]*group{}, labels: map[string]*Moved{}, actions: map[string]*Action{},
	}
	for _, g := range groups {
		t.groups[g] = &group{}
	}
	for _, a := range m.actions {
		t.actions[a.GetName()] = &Action{Action: a.GetName()}
	}
	return t
}

func (t *tally) add(timeUS int64, p *candorv1.PredictionRecord) {
	was := t.model.wasOf(p.GetPolicyDigest())
	for i := range p.GetRows() {
		r := read(timeUS, p, i, was)
		t.addRow(r, t.model.decide(r))
	}
}

func (t *tally) addRow(r *recorded, d decided) {
	t.rows++
	before, after := r.outcome, d.outcome
	t.decided[[2]Outcome{before, after}]++
	callerBefore, callerAfter := passes(r, r.prediction.GetMode(), before), passes(r, d.policy.Mode, after)
	t.callers[[2]Outcome{callerBefore, callerAfter}]++
	t.observed = t.observed || r.prediction.GetMode() == candorv1.Mode_MODE_OBSERVE || d.policy.Mode == candorv1.Mode_MODE_OBSERVE
	if after == Undecided {
		t.causes[causeKey{d.cause, d.detail}]++
		t.unknownAcceptable++
	} else {
		t.comparableBefore += one(before == Accept)
		t.comparableAfter += one(after == Accept)
		if before != after {
			t.changed++
			if len(t.changes) < t.replay.options.Limit {
				t.changes = append(t.changes, changeOf(r, d))
			}
		}
	}
	if after == Ask {
		t.asked[d.by]++
	}
	t.see(r)
	t.loads(r, callerBefore, callerAfter)
	t.judge(r, before, after)
	t.label(r, before, after)
	t.act(r, d, callerBefore, callerAfter)
}

func one(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// passes is what callers get: in mode observe the model's answer, unless it can't be used.
func passes(r *recorded, mode candorv1.Mode, o Outcome) Outcome {
	if mode == candorv1.Mode_MODE_OBSERVE && len(r.says) > 0 && len(r.says[0].evidence.Faults) == 0 {
		return Accept
	}
	return o
}

// see notes what became of a row that a tier was asked about, as long as the tier is the same under the new configuration.
func (t *tally) see(r *recorded) {
	k := len(r.says) - 1
	if k < 1 || r.row.GetCondition() != "" {
		return
	}
	for i := 1; i <= k; i++ {
		if !t.model.isTier(i-1, &r.says[i]) {
			return
		}
		s := t.seen[i]
		if s == nil {
			s = &seen{}
			t.seen[i] = s
		}
		switch r.outcome {
		case Fallback:
			s.answered++
		case Defer:
			s.deferred++
		case Reject:
			s.rejected++
		}
	}
}

// loads counts what goes to reviewers.
func (t *tally) loads(r *recorded, before, after Outcome) {
	t.deferred[0] += one(before == Defer)
	t.deferred[1] += one(after == Defer)
	t.deferred[2] += one(after == Ask || after == Undecided)
	t.audited += one(r.row.GetAudited())
	// What stands between is not deferred by what is known.
	t.notDeferred += one(after != Defer)
}

// judge adds the row to the groups that it is in.
func (t *tally) judge(r *recorded, before, after Outcome) {
	var in []Group
	if before == Accept {
		in = append(in, AcceptedBefore)
	}
	if after == Accept {
		in = append(in, AcceptedAfter)
	}
	switch {
	case before == Accept && after == Accept:
		in = append(in, StillAccepted)
	case after == Accept:
		in = append(in, NewlyAccepted)
	case before == Accept && after != Undecided:
		in = append(in, NoLonger)
	}
	if len(in) == 0 {
		return
	}
	k := rowKey{row: uint32(r.index)}
	copy(k.prediction[:], r.prediction.GetPredictionId())
	q, chosen := sampled(r)
	verdict, judged := t.replay.verdicts[k]
	outcome, known := t.replay.outcomes[k]
	answer := r.says[0].evidence
	t.regression = t.regression || answer.Label == "" && answer.Value != nil
	for _, name := range in {
		g := t.groups[name]
		g.rows++
		g.unsampled += one(q == 0)
		if chosen {
			g.chosen++
			if judged {
				if wrong, ok := t.wrong(answer.Label, answer.Value, verdict); ok {
					g.verdicts.add(k.prediction, q, wrong)
				}
			} else {
				g.open++
			}
		}
		if known {
			if wrong, ok := t.wrong(answer.Label, answer.Value, outcome); ok {
				g.outcomes.add(k.prediction, 1, wrong)
			}
		}
	}
}

// sampled answers the probability with which a row was chosen to be judged, 0 where that could not be, and whether it was. A deferred
// row goes to a human for certain.
func sampled(r *recorded) (q float64, chosen bool) {
	q = float64(r.row.GetSamplingPpm()) / million
	if r.row.GetAppliedRoute() != candorv1.Route_ROUTE_DEFER || len(r.row.GetReviewItem()) == 0 {
		return q, r.row.GetAudited() && q > 0
	}
	// Without a promise a row is deferred because of what it is: such rows are no sample of the others, and each is all of its kind.
	return 1, true
}

// wrong says whether an answer is wrong; ok is false where nothing tells.
func (t *tally) wrong(label string, value *float64, is truth) (wrong, ok bool) {
	if is.value != nil && value != nil {
		if t.model.tolerance == nil {
			return false, false
		}
		return !(math.Abs(*value-*is.value) <= *t.model.tolerance), true
	}
	return label != is.label, label != "" && is.label != ""
}

func (t *tally) label(r *recorded, before, after Outcome) {
	if len(r.says) == 0 || r.says[0].evidence.Label == "" || len(r.says[0].evidence.Faults) > 0 {
		return
	}
	name := r.says[0].evidence.Label
	l := t.labels[name]
	if l == nil {
		l = &Moved{Label: name}
		t.labels[name] = l
	}
	l.Rows++
	l.Before += one(before == Accept)
	l.After += one(after == Accept)
	l.Changed += one(before != after && after != Undecided)
	l.Unknown += one(after == Undecided)
}

// act counts what leaves without a person.
func (t *tally) act(r *recorded, d decided, before, after Outcome) {
	if len(r.says) == 0 {
		return
	}
	name := func(by int) string {
		ev := r.says[by].evidence
		if len(ev.Faults) > 0 {
			return ""
		}
		return t.model.action(ev.Label, ev.Value)
	}
	last := len(r.says) - 1
	if a := t.actions[answered(before, name, last)]; a != nil {
		a.Before++
	}
	switch after {
	case Ask, Undecided:
		// Any answer is possible.
		for _, a := range t.actions {
			a.Most++
		}
	default:
		if a := t.actions[answered(after, name, d.by)]; a != nil {
			a.After++
			a.Most++
		}
	}
}

// answered is the action of the answer that leaves; by is the stage that a FALLBACK was answered by.
func answered(o Outcome, action func(by int) string, by int) string {
	switch o {
	case Accept:
		return action(0)
	case Fallback:
		return action(by)
	}
	return ""
}

func changeOf(r *recorded, d decided) Change {
	c := Change{
		Row: r.index, Time: time.UnixMicro(r.timeUS).UTC(), From: r.outcome, To: d.outcome, Label: r.says[0].evidence.Label, Value: r.says[0].evidence.Value,
		Condition: d.decision.Condition, Segment: d.segment, ThresholdAfter: d.decision.Threshold,
	}
	if id, err := uuid.FromBytes(r.prediction.GetPredictionId()); err == nil {
		c.PredictionID = id.String()
	}
	by := d.by
	if d.outcome == Ask {
		by--
	}
	s := &r.says[min(by, len(r.says)-1)]
	c.Stage, c.Confidence, c.ThresholdBefore = s.name, fromPPM(s.ppm), fromPPM(s.threshold)
	for _, why := range d.decision.Reasons {
		c.Reasons = append(c.Reasons, strings.TrimPrefix(why.String(), "REASON_"))
	}
	return c
}

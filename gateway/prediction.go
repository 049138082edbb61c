package gateway

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/candor-gateway/candor/audit"
	"github.com/candor-gateway/candor/calibration/certificate"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/review"
	"github.com/candor-gateway/candor/router"
)

// predictions are the typed answers of a call that has just been decided: those of its record, with the values that no
// record keeps.
func (g *Gateway) predictions(c *call) []*candorv1.Prediction {
	out := g.predictionsOf(c.record)
	for i, p := range out {
		r := &c.rows[i]
		if l := r.license(); l != nil {
			p.Decision.License = l.shown
		}
		if r.answeredBy >= 0 && r.answer.UncertaintyKind != 0 {
			p.Uncertainty = &candorv1.Uncertainty{Kind: r.answer.UncertaintyKind, Value: r.answer.Uncertainty}
		}
		if r.released {
			setValue(p, *r.answer, c.fieldOf(r))
		} else {
			p.Value = abstention(r.decision.Reasons, r.evidence.Detail)
		}
	}
	return out
}

func abstention(reasons []candorv1.Reason, detail string) *candorv1.Prediction_Abstention {
	a := &candorv1.Abstention{Detail: detail}
	if len(reasons) > 0 {
		a.Reason = reasons[len(reasons)-1]
	}
	return &candorv1.Prediction_Abstention{Abstention: a}
}

// setValue is the answer in its kind.
func setValue(p *candorv1.Prediction, ev router.Evidence, f *field) {
	switch {
	case ev.Value != nil:
		p.Value = &candorv1.Prediction_Regression{Regression: &candorv1.RegressionValue{
			Value: *ev.Value, Unit: f.Unit, Lower: ev.Lower, Upper: ev.Upper,
		}}
	// What the scores of these kinds say is what the model said before it was calibrated.
	case ev.Calibrator == "" && ev.Kind == candorv1.ScoreKind_SCORE_KIND_LOG_ODDS && len(ev.Scores) == 1:
		p.Value = &candorv1.Prediction_LogOdds{LogOdds: ev.Scores[0]}
	case ev.Calibrator == "" && ev.Kind == candorv1.ScoreKind_SCORE_KIND_LOGIT && len(ev.Scores) > 1:
		p.Value = &candorv1.Prediction_Logits{Logits: &candorv1.Logits{Label: ev.Label, Logits: ev.Scores, Labels: ev.Labels}}
	case ev.Calibrator == "" && ev.Kind == candorv1.ScoreKind_SCORE_KIND_DISTANCE && len(ev.Scores) == 1:
		p.Value = &candorv1.Prediction_Distance{Distance: &candorv1.Distance{Distance: ev.Scores[0], Metric: f.Metric}}
	case ev.Probs != nil:
		p.Value = &candorv1.Prediction_ClassProbabilities{ClassProbabilities: &candorv1.ClassProbabilities{
			Label: ev.Label, Probabilities: ev.Probs, Labels: ev.Labels,
		}}
	case ev.Label != "":
		p.Value = &candorv1.Prediction_Label{Label: ev.Label}
	}
}

// predictionsOf tells what a record knows, one Prediction per row and field.
func (g *Gateway) predictionsOf(rec *candorv1.Record) []*candorv1.Prediction {
	pr := rec.GetPrediction()
	id := uuidText(pr.GetPredictionId())
	made := time.UnixMicro(rec.GetTimeUs())
	var out []*candorv1.Prediction
	for i, row := range pr.GetRows() {
		at, name := audit.Place(pr, i)
		p := &candorv1.Prediction{
			PredictionId: id, Row: at, Field: name, Model: pr.GetModel(), State: row.GetState(),
			Decision: g.decisionOf(pr, i, id), Path: pathOf(pr, row),
			Provenance: g.provenance(pr, made), CreateTime: timestamppb.New(made),
		}
		if len(pr.GetTraceId()) > 0 {
			p.TraceId = hex.EncodeToString(pr.GetTraceId())
		}
		if row.GetUncertaintyKind() != 0 {
			p.Uncertainty = &candorv1.Uncertainty{Kind: row.GetUncertaintyKind(), Value: float64(row.GetUncertaintyPpm()) / million}
		}
		if by := row.GetAnsweredBy(); by > 0 && int(by) <= len(pr.GetStages()) {
			p.AnsweredBy = pr.GetStages()[by-1].GetStage()
			if row.Value != nil {
				p.Value = &candorv1.Prediction_Regression{Regression: &candorv1.RegressionValue{Value: row.GetValue(), Unit: g.unitOf(pr.GetModel(), name)}}
			} else if row.GetLabel() != "" {
				p.Value = &candorv1.Prediction_Label{Label: row.GetLabel()}
			}
		} else {
			p.Value = abstention(row.GetReasons(), "")
		}
		if row.GetState() == candorv1.AnswerState_ANSWER_STATE_FINAL {
			p.FinalTime = p.CreateTime
		}
		out = append(out, p)
	}
	return out
}

// decisionOf tells the element i of a record's rows.
func (g *Gateway) decisionOf(pr *candorv1.PredictionRecord, i int, id string) *candorv1.Decision {
	row := pr.GetRows()[i]
	at, name := audit.Place(pr, i)
	d := &candorv1.Decision{
		DecisionId: id + "/" + strconv.Itoa(int(at)), Route: row.GetRoute(), AppliedRoute: row.GetAppliedRoute(), Mode: pr.GetMode(),
		Reasons: row.GetReasons(), Confidence: fromPPM(row.ConfidencePpm), ConfidenceMethod: pr.GetConfidenceMethod(),
		RawConfidence: fromPPM(row.RawConfidencePpm), Calibrator: calibratorOf(pr, row),
		Threshold: fromPPM(row.ThresholdPpm), PolicyDigest: digestText(pr.GetPolicyDigest()),
		Action: row.GetAction(), Condition: row.GetCondition(),
	}
	if !row.GetAudited() {
		// That a row is audited is nobody's to know: an answer that is known to be looked at is not like the others.
		d.ReviewItem = review.Name(uuidText(row.GetReviewItem()))
	}
	if m := row.GetConfidenceMethod(); m != 0 {
		d.ConfidenceMethod = m
	}
	if f := g.fieldOf(pr.GetModel(), name); f != nil {
		d.DecisionId = decisionID(id, int(at), f.Output)
	} else if name != "" {
		d.DecisionId = decisionID(id, int(at), name)
	}
	d.SamplingProbability = float64(row.GetSamplingPpm()) / million
	if row.GetCertificate() != "" {
		d.License = &candorv1.License{Certificate: certificate.Name(row.GetCertificate())}
	}
	if row.GetLimit() != "" {
		d.Limit = limits.ResourceName(row.GetLimit())
	}
	return d
}

// calibratorOf is the calibrator that the confidence passed: that of the stage that was decided on, or of the one that judged it.
func calibratorOf(pr *candorv1.PredictionRecord, row *candorv1.RowRecord) string {
	if row.RawConfidencePpm == nil {
		return ""
	}
	decided := 0
	if fellBack(row) {
		for _, a := range row.GetAnswers() {
			decided = max(decided, int(a.GetStage()))
		}
	} else {
		for s, st := range pr.GetStages() {
			if st.GetKind() == candorv1.StepKind_STEP_KIND_META {
				decided = s
			}
		}
	}
	if decided >= len(pr.GetStages()) {
		return ""
	}
	return pr.GetStages()[decided].GetCalibrator()
}

// pathOf is the row's way: the stages that were asked for it, with what each said.
func pathOf(pr *candorv1.PredictionRecord, row *candorv1.RowRecord) []*candorv1.Step {
	var path []*candorv1.Step
	last := lastTier(pr, row)
	for s, st := range pr.GetStages() {
		step := &candorv1.Step{
			Stage: st.GetStage(), Kind: st.GetKind(), Version: st.GetVersion(),
			Duration: durationpb.New(time.Duration(st.GetDurationUs()) * time.Microsecond),
			Answered: st.GetFailure() == 0, Reason: st.GetFailure(), Detail: st.GetDetail(),
			FailureSource: st.GetFailureSource(), Attempts: st.GetAttempts(), Tried: st.GetTried(),
			Shed: wasShed(st.GetFailure(), int(st.GetAttempts())),
		}
		if us := st.GetWaitedUs(); us > 0 {
			step.Waited = durationpb.New(time.Duration(us) * time.Microsecond)
		}
		for _, a := range row.GetAnswers() {
			if int(a.GetStage()) == s {
				step.Label, step.Confidence = a.GetLabel(), fromPPM(a.ConfidencePpm)
			}
		}
		if s == 0 && len(row.GetAnswers()) == 0 && row.GetAnsweredBy() == 1 {
			step.Label, step.Confidence = row.GetLabel(), fromPPM(row.ConfidencePpm)
		}
		if st.GetKind() == candorv1.StepKind_STEP_KIND_META && len(path) > 0 {
			// What it says is the confidence of the primary's answer.
			step.Confidence = path[0].Confidence
		}
		step.Threshold = comparedWith(st, s, last, row)
		// A stage that was asked for others of the batch is no part of this row's way.
		said := step.Confidence != nil || step.Label != "" || (!step.Answered && askedFallback(st, row))
		if s == 0 || said || uint32(s)+1 == row.GetAnsweredBy() {
			path = append(path, step)
		}
	}
	return path
}

// fellBack says that the row went on to the fallback: some stage of that answered it, or too few did.
func fellBack(row *candorv1.RowRecord) bool {
	return membersFailed(row) ||
		slices.ContainsFunc(row.GetAnswers(), func(a *candorv1.RowAnswer) bool { return a.GetStage() > 0 })
}

// askedFallback says that this stage after the primary was asked for the row.
func askedFallback(st *candorv1.StageRecord, row *candorv1.RowRecord) bool {
	switch st.GetKind() {
	case candorv1.StepKind_STEP_KIND_META:
		return slices.Contains(row.GetReasons(), candorv1.Reason_REASON_NO_CONFIDENCE_SIGNAL)
	case candorv1.StepKind_STEP_KIND_REMEDIAL:
		return membersFailed(row)
	}
	return fellBack(row)
}

// membersFailed says that the members of an ensemble made no answer to the row.
func membersFailed(row *candorv1.RowRecord) bool {
	return slices.ContainsFunc(row.GetReasons(), func(r candorv1.Reason) bool {
		return r == candorv1.Reason_REASON_QUORUM_MISSED || r == candorv1.Reason_REASON_DISAGREEMENT
	})
}

// comparedWith is the threshold that a stage's answer met; nil: it was not compared, or the record doesn't know. last is lastTier's.
func comparedWith(st *candorv1.StageRecord, s, last int, row *candorv1.RowRecord) *float64 {
	second := fellBack(row)
	switch {
	case st.GetFailure() != 0:
		return nil
	case s == 0 && second:
		return fromPPM(row.PrimaryThresholdPpm)
	case s == 0:
		return fromPPM(row.ThresholdPpm)
	case second && isTier(st) && s == last:
		return fromPPM(row.ThresholdPpm)
	}
	return nil
}

// isTier says whether the stage speaks for a tier as a whole.
func isTier(st *candorv1.StageRecord) bool {
	return st.GetKind() == candorv1.StepKind_STEP_KIND_ENSEMBLE || st.GetKind() == candorv1.StepKind_STEP_KIND_REMEDIAL
}

// lastTier is the index of the last stage that answered the row for a tier: the record keeps its threshold, and the primary's, but
// none of those between. -1: there is none.
func lastTier(pr *candorv1.PredictionRecord, row *candorv1.RowRecord) int {
	last := -1
	for _, a := range row.GetAnswers() {
		if s := int(a.GetStage()); s < len(pr.GetStages()) && isTier(pr.GetStages()[s]) {
			last = max(last, s)
		}
	}
	return last
}

func (g *Gateway) provenance(pr *candorv1.PredictionRecord, made time.Time) *candorv1.ModelProvenance {
	if len(pr.GetStages()) == 0 {
		return nil
	}
	st := pr.GetStages()[0]
	created := time.Unix(st.GetModelCreatedS(), 0)
	p := &candorv1.ModelProvenance{
		Backend: st.GetStage(), Version: st.GetVersion(), CreateTime: timestamppb.New(created),
		Age: durationpb.New(made.Sub(created).Truncate(time.Second)),
	}
	if cfg := g.plan().cfg.GetBackends()[st.GetStage()]; cfg.GetVersion() == st.GetVersion() {
		p.Model, p.Owner = cfg.GetModel(), cfg.GetCard().GetOwner()
	}
	return p
}

// finish lays an item's final answer over its row's Prediction. It is the one account of what a final answer looks like, for
// GetPrediction, WatchPredictions and ExplainPrediction alike.
func finish(p *candorv1.Prediction, item *review.Item) {
	if !item.Awaited() {
		return
	}
	p.Decision.ReviewItem, p.ReviewItem = review.Name(item.ID), review.Name(item.ID)
	if item.FinalTime.IsZero() {
		return
	}
	p.Superseding = item.FinalReason == candorv1.Reason_REASON_SUPERSEDED || item.Kind == candorv1.ReviewKind_REVIEW_KIND_APPEAL
	step := &candorv1.Step{
		Stage: item.Verdict.GetAuthor(), Kind: candorv1.StepKind_STEP_KIND_HUMAN, Answered: item.Verdict != nil,
		Label: item.Verdict.GetLabel(), Duration: durationpb.New(item.FinalTime.Sub(item.Created)), Reason: item.FinalReason,
	}
	p.Path = append(p.Path, step)
	p.Decision.Reasons = append(slices.Clone(p.Decision.Reasons), item.FinalReason)
	p.FinalTime = timestamppb.New(item.FinalTime)
	p.Author = item.Verdict.GetAuthor()
	if p.Author == "" {
		p.Author = review.AuthorOnExpire
	}
	if step.Stage = p.Author; strings.HasPrefix(p.Author, policyAuthor) {
		step.Kind = candorv1.StepKind_STEP_KIND_CONSTANT
	}
	if item.Action != "" {
		p.Decision.Action = item.Action
	}
	if item.HeldBy != "" {
		p.Decision.Limit = limits.ResourceName(item.HeldBy)
	}
	if item.Verdict == nil || item.Release != candorv1.ReleaseState_RELEASE_STATE_RELEASED {
		p.State = candorv1.AnswerState_ANSWER_STATE_WITHHELD
		p.AnsweredBy = ""
		p.Value = abstention(p.Decision.Reasons, "")
		return
	}
	p.State, p.AnsweredBy = candorv1.AnswerState_ANSWER_STATE_FINAL, p.Author
	if v, ok := item.Verdict.GetAnswer().(*candorv1.Verdict_Value); ok {
		p.Value = &candorv1.Prediction_Regression{Regression: &candorv1.RegressionValue{Value: v.Value, Unit: item.Unit}}
		return
	}
	p.Value = &candorv1.Prediction_Label{Label: item.Verdict.GetLabel()}
}

// policyAuthor begins the names of what a policy does where no person did.
const policyAuthor = "policy/"

func (g *Gateway) unitOf(model, name string) string {
	if f := g.fieldOf(model, name); f != nil {
		return f.Unit
	}
	return ""
}

func uuidText(b []byte) string {
	id, err := uuid.FromBytes(b)
	if err != nil {
		return ""
	}
	return id.String()
}

package explain

import (
	"slices"
	"time"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Step is one stage that was asked for a row.
type Step struct {
	Stage   string  `json:"stage"`
	Kind    string  `json:"kind"`
	Parent  string  `json:"parent,omitempty"`
	Version string  `json:"version,omitempty"`
	Millis  float64 `json:"ms"`
	// AgeSeconds of the model version when it answered; absent where no model did.
	AgeSeconds int64  `json:"model_age_s,omitempty"`
	Attempts   uint32 `json:"attempts,omitempty"`
	// Tried has each attempt, where there was more than one.
	Tried []Attempt `json:"tried,omitempty"`
	// WaitedMillis is how long it waited for places in flight. Shed: it got none, and the model server was not called.
	WaitedMillis float64  `json:"waited_ms,omitempty"`
	Shed         bool     `json:"shed,omitempty"`
	Answer       string   `json:"answer,omitempty"`
	Confidence   *float64 `json:"confidence,omitempty"`
	// Calibrator, name@version, that the stage's scores passed; empty: none.
	Calibrator string `json:"calibrator,omitempty"`
	// Failure, SaidBy and Detail say why there is no answer; SaidBy is BACKEND or INFERRED.
	Failure string `json:"failure,omitempty"`
	SaidBy  string `json:"said_by,omitempty"`
	Detail  string `json:"detail,omitempty"`
	// index into the record's stages.
	index int
}

// pathOf is a row's way through the stages, in the order of asking. The record keeps stages once for the whole call; which of
// them a row of a batch was sent to follows from its answers, and, where a stage failed and so has none, from its reasons.
func pathOf(s *source, rr *candorv1.RowRecord) []Step {
	var path []Step
	for i, st := range s.record.GetStages() {
		step := Step{
			Stage: st.GetStage(), Kind: cli.Enum(st.GetKind()), Parent: st.GetParent(), Version: st.GetVersion(),
			Millis: float64(st.GetDurationUs()) / 1e3, Attempts: st.GetAttempts(), index: i,
			Calibrator: st.GetCalibrator(), Tried: attemptsOf(st), WaitedMillis: float64(st.GetWaitedUs()) / 1e3,
			Shed: st.GetFailure() == candorv1.Reason_REASON_OVERLOAD && st.GetAttempts() == 0,
		}
		if st.GetModelCreatedS() > 0 {
			step.AgeSeconds = int64(s.made.Sub(time.Unix(st.GetModelCreatedS(), 0)).Seconds())
		}
		if st.GetFailure() != 0 {
			step.Failure, step.SaidBy = cli.Enum(st.GetFailure()), cli.Enum(st.GetFailureSource())
		}
		step.Detail = st.GetDetail()
		answered := step.answerFrom(rr)
		if st.GetKind() == candorv1.StepKind_STEP_KIND_META && st.GetFailure() == 0 && len(path) > 0 {
			// What it says is the confidence of the primary's answer.
			step.Confidence = path[0].Confidence
			answered = step.Confidence != nil
		}
		if i == 0 || answered || mayHaveFailed(st, rr) {
			path = append(path, step)
		}
	}
	return path
}

// answerFrom fills in what the stage said about the row, and answers whether it said anything.
func (step *Step) answerFrom(rr *candorv1.RowRecord) bool {
	for _, a := range rr.GetAnswers() {
		if int(a.GetStage()) == step.index {
			step.Answer, step.Confidence = answerText(a.GetLabel(), a.Value), fromPPM(a.ConfidencePpm)
			return true
		}
	}
	if int(rr.GetAnsweredBy()) != step.index+1 {
		return false
	}
	// A plain accept keeps no list of answers: the row's own is the primary's. A constant stands for no stage's evidence.
	step.Answer = answerText(rr.GetLabel(), rr.Value)
	if len(rr.GetAnswers()) == 0 {
		step.Confidence = fromPPM(rr.ConfidencePpm)
	}
	return true
}

// mayHaveFailed says whether a stage without an answer for the row was asked for it: the row went to the fallback (whoever the
// primary was sure about did not), and this stage is part of that way.
func mayHaveFailed(st *candorv1.StageRecord, rr *candorv1.RowRecord) bool {
	if st.GetKind() == candorv1.StepKind_STEP_KIND_META {
		return st.GetFailure() != 0 && hasReason(rr, candorv1.Reason_REASON_NO_CONFIDENCE_SIGNAL)
	}
	nobodyAnswered := hasReason(rr, candorv1.Reason_REASON_QUORUM_MISSED, candorv1.Reason_REASON_DISAGREEMENT)
	somebodyAnswered := slices.ContainsFunc(rr.GetAnswers(), func(a *candorv1.RowAnswer) bool { return a.GetStage() > 0 })
	if !nobodyAnswered && !somebodyAnswered {
		return false
	}
	switch st.GetKind() {
	case candorv1.StepKind_STEP_KIND_MEMBER, candorv1.StepKind_STEP_KIND_ENSEMBLE:
		return true
	case candorv1.StepKind_STEP_KIND_REMEDIAL:
		return nobodyAnswered
	}
	return false
}

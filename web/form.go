package web

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// entered is what a person has entered, as they did, so that a refusal loses nothing of it.
type entered struct {
	Label, Value, Confidence, Reason, Note string
}

func enteredOf(r *http.Request) entered {
	return entered{
		Label: r.PostFormValue("label"), Value: r.PostFormValue("value"), Confidence: r.PostFormValue("confidence"),
		Reason: r.PostFormValue("reason"), Note: r.PostFormValue("note"),
	}
}

// enteredFrom is a verdict, to be changed.
func enteredFrom(v *candorv1.Verdict) entered {
	e := entered{Label: v.GetLabel(), Reason: v.GetReason(), Note: v.GetNote()}
	if a, ok := v.GetAnswer().(*candorv1.Verdict_Value); ok {
		e.Value = strconv.FormatFloat(a.Value, 'g', -1, 64)
	}
	if v.Confidence != nil {
		e.Confidence = strconv.FormatFloat(hundred*v.GetConfidence(), 'g', 6, 64)
	}
	return e
}

func (e entered) empty() bool { return e == entered{} }

// verdict reads what was entered. An error is for the person who did.
func (e entered) verdict() (*candorv1.Verdict, error) {
	v := &candorv1.Verdict{Reason: strings.TrimSpace(e.Reason), Note: strings.ReplaceAll(e.Note, "\r\n", "\n")}
	switch {
	case e.Label != "":
		v.Answer = &candorv1.Verdict_Label{Label: e.Label}
	case strings.TrimSpace(e.Value) != "":
		x, err := strconv.ParseFloat(strings.TrimSpace(e.Value), 64)
		if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			return nil, badForm("The value is no number", "Write it as in 12.5, and submit again.")
		}
		v.Answer = &candorv1.Verdict_Value{Value: x}
	default:
		return nil, badForm("There is no answer yet", "Choose one, and submit again.")
	}
	if c := strings.TrimSuffix(strings.TrimSpace(e.Confidence), "%"); c != "" {
		x, err := strconv.ParseFloat(strings.TrimSpace(c), 64)
		if err != nil || !(x >= 0 && x <= hundred) {
			return nil, badForm("How sure you are is a number from 0 to 100", "Correct it or leave it empty, and submit again.")
		}
		v.Confidence = proto.Float64(x / hundred)
	}
	return v, nil
}

// answerForm is the form of an answer, for templates.
type answerForm struct {
	entered
	Action, ID, RequestID, Etag, In string
	Epoch                           uint64
	Choices                         []labelChoice
	// Short: every label has few characters. Many: there are more than keys.
	Short, Many   bool
	Unit          string
	Reasons       []choice
	RequireReason bool
	// Undo is how long the answer can be changed; AtOnce: it can't.
	Undo   time.Duration
	AtOnce bool
	// Filled: the server put something in.
	Filled bool
	// Kind is answer; change, of one's own answer that was given; or replace, of a final one.
	Kind string
	// Off: the person doesn't hold the item any more; what they entered stays readable.
	Off bool
}

type labelChoice struct {
	Value, Key string
	Chosen     bool
}

// Kinds of forms of an answer.
const (
	formAnswer  = "answer"
	formChange  = "change"
	formReplace = "replace"
)

const (
	manyLabels = 10
	shortLabel = 3
)

func (s *Server) formOf(it *candorv1.ReviewItem, q *candorv1.ReviewQueue, e entered) *answerForm {
	f := &answerForm{
		entered: e, Kind: formAnswer, ID: idOf(it.GetName()), RequestID: newRequestID(), Etag: it.GetEtag(), Epoch: it.GetEpoch(), Unit: it.GetUnit(),
		RequireReason: q.GetRequireReason(), Filled: !e.empty(), Short: true, Many: len(it.GetLabels()) > manyLabels,
	}
	f.Undo = q.GetUndoWindow().AsDuration()
	f.AtOnce = q != nil && f.Undo == 0
	keys := keysOf(it.GetLabels())
	for i, l := range it.GetLabels() {
		f.Choices = append(f.Choices, labelChoice{Value: l, Key: keys[i], Chosen: l == e.Label})
		f.Short = f.Short && utf8.RuneCountInString(l) <= shortLabel
	}
	f.Short = f.Short && !f.Many
	for _, reason := range q.GetReasons() {
		f.Reasons = append(f.Reasons, choice{Value: reason, Text: plain(reason), Chosen: reason == e.Reason})
	}
	return f
}

// keysOf are the keys that choose labels: their positions, 1 to 9 and 0. Where a label is a number itself its own digit chooses it, and
// nothing else does: 1 must not choose the label 0.
func keysOf(labels []string) []string {
	keys := make([]string, len(labels))
	numbers := false
	for i, l := range labels {
		if _, err := strconv.ParseFloat(l, 64); err == nil {
			numbers = true
		}
		if len(l) == 1 && l[0] >= '0' && l[0] <= '9' {
			keys[i] = l
		}
	}
	if numbers {
		return keys
	}
	const digits = "1234567890"
	for i := range min(len(labels), len(digits)) {
		keys[i] = digits[i : i+1]
	}
	return keys
}

// newRequestID is a key that makes the repetition of a form harmless.
func newRequestID() string { return "web-" + uuid.NewString() }

// requestID of a form; one without, which somebody else wrote, gets its own.
func requestID(r *http.Request) string {
	if id := r.PostFormValue("request_id"); id != "" {
		return id
	}
	return newRequestID()
}

package review

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// GoldenName is the resource name of a question.
func GoldenName(id string) string { return "goldenItems/" + id }

// AnswerKey is an answer as a text: of labels, those are balanced that reviewers may say; values are all of one kind.
func AnswerKey(a *candorv1.VerdictAnswer) (string, error) {
	switch a := a.GetAnswer().(type) {
	case *candorv1.VerdictAnswer_Label:
		return "label " + strconv.Quote(a.Label), nil
	case *candorv1.VerdictAnswer_Value:
		if math.IsNaN(a.Value) || math.IsInf(a.Value, 0) {
			return "", fmt.Errorf("answer.value is %v: give a finite number", a.Value)
		}
		return "value", nil
	}
	return "", errors.New("answer is unset: give the label or the value that is right")
}

// Check says what of a new question of by's can't be kept, and answers the key of its answer.
func (g *Golden) Check(by string) (key string, err error) {
	if key, err = AnswerKey(g.Answer); err == nil {
		_, err = CanonicalID(g.ID)
	}
	switch {
	case err != nil:
		return "", err
	case g.Queue == "":
		return "", errors.New("queue is empty")
	case by == "":
		return "", errors.New("by is empty: say who knows the answer")
	case !notNegative(g.Tolerance):
		return "", fmt.Errorf("tolerance is %v: give a finite number of at least 0", g.Tolerance)
	}
	return key, nil
}

// EncodeBody answers what of a question nothing is looked for by, as bytes.
func (g *Golden) EncodeBody() ([]byte, error) {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(&candorv1.GoldenItem{
		Model: g.Model, Field: g.Field, Backend: g.Backend, ModelVersion: g.ModelVersion, Labels: g.Labels, Unit: g.Unit, Answers: g.Answers,
		Answer: g.Answer, Tolerance: g.Tolerance,
	})
	if err != nil {
		return nil, fmt.Errorf("encode a golden question: %w", err)
	}
	return data, nil
}

// DecodeBody is the inverse of EncodeBody.
func (g *Golden) DecodeBody(data []byte) error {
	var b candorv1.GoldenItem
	if err := proto.Unmarshal(data, &b); err != nil {
		return fmt.Errorf("decode golden question %s: %w", g.ID, err)
	}
	g.Model, g.Field, g.Backend, g.ModelVersion, g.Labels, g.Unit = b.Model, b.Field, b.Backend, b.ModelVersion, b.Labels, b.Unit
	g.Answers, g.Answer, g.Tolerance = b.Answers, b.Answer, b.Tolerance
	return nil
}

// Show is the item that shows a question; made is what the question says nothing about.
func (g *Golden) Show(made Item) Item {
	made.Kind, made.Golden, made.GoldenAnswer, made.GoldenTolerance = candorv1.ReviewKind_REVIEW_KIND_GOLDEN, g.ID, g.Answer, g.Tolerance
	made.Queue, made.Model, made.Field, made.Backend, made.ModelVersion = g.Queue, g.Model, g.Field, g.Backend, g.ModelVersion
	made.Consumer, made.Labels, made.Unit, made.Payload, made.Answers = g.Consumer, g.Labels, g.Unit, g.Payload, g.Answers
	made.Wanted, made.Agree, made.Tolerance, made.Sequences, made.Join, made.Excluded = 1, 1, 0, nil, nil, nil
	return made
}

// Score says whether an item is a golden one with a verdict, and whether that is right.
func (i *Item) Score() (right, scored bool) {
	if i.Golden == "" || i.Verdict == nil {
		return false, false
	}
	return Agree(AnswerOf(i.Verdict), i.GoldenAnswer, i.GoldenTolerance), true
}

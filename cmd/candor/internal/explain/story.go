package explain

import (
	"encoding/hex"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/audit"
	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// source is what is known of a prediction, wherever it was read.
type source struct {
	record *candorv1.PredictionRecord
	made   time.Time
	items  []*candorv1.ReviewItem
	// events are the histories of items, by their names; those that the caller may not know are missing.
	events   map[string][]*candorv1.ReviewEvent
	outcomes []outcome
	writer   string
	sequence uint64
	// certificates by id: those of the rows, as they stand now. One that the caller may not see is missing.
	certificates map[string]*candorv1.Certificate
}

// Story is a prediction as it is told, and the shape of candor explain --json: fields are only ever added.
type Story struct {
	PredictionID     string    `json:"prediction_id"`
	Model            string    `json:"model"`
	Consumer         string    `json:"consumer"`
	RequestID        string    `json:"request_id,omitempty"`
	Time             time.Time `json:"time"`
	Mode             string    `json:"mode"`
	PolicyDigest     string    `json:"policy_digest"`
	ConfidenceMethod string    `json:"confidence_method"`
	Millis           float64   `json:"ms"`
	TraceID          string    `json:"trace_id,omitempty"`
	Log              Place     `json:"log"`
	Rows             []Row     `json:"rows"`
}

// Place is where the record stands in the decision log.
type Place struct {
	Writer   string `json:"writer"`
	Sequence uint64 `json:"sequence"`
}

// Row is one row's way from question to answer; of a model with several fields, one field's.
type Row struct {
	Row          int        `json:"row"`
	Field        string     `json:"field,omitempty"`
	Route        string     `json:"route"`
	AppliedRoute string     `json:"applied_route"`
	Reasons      []Why      `json:"reasons"`
	Compared     []Compared `json:"compared"`
	Path         []Step     `json:"path"`
	State        string     `json:"state"`
	Answer       string     `json:"answer,omitempty"`
	AnsweredBy   string     `json:"answered_by,omitempty"`
	Uncertainty  *Measure   `json:"uncertainty,omitempty"`
	Action       string     `json:"action,omitempty"`
	Limit        string     `json:"limit,omitempty"`
	// LimitInputs are what the limits on the action took from the request, Limits those that withheld the answer or would have.
	LimitInputs []LimitInput `json:"limit_inputs,omitempty"`
	Limits      []LimitWord  `json:"limits,omitempty"`
	Condition   string       `json:"condition,omitempty"`
	Promise     *Promise     `json:"promise,omitempty"`
	Review      *Review      `json:"review,omitempty"`
	Appeals     []*Review    `json:"appeals,omitempty"`
	Outcomes    []outcome    `json:"outcomes,omitempty"`
	plain       bool
}

// Why is a reason and what it means.
type Why struct {
	Reason string `json:"reason"`
	Means  string `json:"means"`
}

// Measure is a number with its kind.
type Measure struct {
	Kind  string  `json:"kind"`
	Value float64 `json:"value"`
}

// outcome is ground truth that arrived later.
type outcome struct {
	Row    int        `json:"-"`
	Field  string     `json:"-"`
	Answer string     `json:"answer"`
	Time   *time.Time `json:"time,omitempty"`
}

const million = 1e6

// tell makes the story of what is known.
func tell(s source) Story {
	r := s.record
	out := Story{
		PredictionID: uuidText(r.GetPredictionId()), Model: r.GetModel(), Consumer: r.GetConsumer(), RequestID: r.GetRequestId(),
		Time: s.made.UTC(), Mode: cli.Enum(r.GetMode()), PolicyDigest: hex.EncodeToString(r.GetPolicyDigest()),
		ConfidenceMethod: cli.Enum(r.GetConfidenceMethod()), Millis: float64(r.GetDurationUs()) / 1e3,
		TraceID: hex.EncodeToString(r.GetTraceId()), Log: Place{s.writer, s.sequence},
	}
	for i, rr := range r.GetRows() {
		out.Rows = append(out.Rows, tellRow(&s, i, rr))
	}
	return out
}

// only is the story of one row, which may have several fields.
func (s Story) only(row int) Story {
	var kept []Row
	for _, r := range s.Rows {
		if r.Row == row {
			kept = append(kept, r)
		}
	}
	s.Rows = kept
	return s
}

func tellRow(s *source, i int, rr *candorv1.RowRecord) Row {
	at, field := audit.Place(s.record, i)
	row := Row{
		Row: int(at), Field: field, Route: cli.Enum(rr.GetRoute()), AppliedRoute: cli.Enum(rr.GetAppliedRoute()), Reasons: []Why{},
		State: cli.Enum(rr.GetState()), Action: rr.GetAction(), Limit: rr.GetLimit(), Condition: rr.GetCondition(),
		plain: rr.GetRoute() == candorv1.Route_ROUTE_ACCEPT && rr.GetAppliedRoute() == candorv1.Route_ROUTE_ACCEPT && len(rr.GetLimits()) == 0,
	}
	for _, reason := range rr.GetReasons() {
		row.Reasons = append(row.Reasons, Why{cli.Enum(reason), inPlainWords(reason)})
	}
	row.LimitInputs, row.Limits = limitInputsOf(rr.GetLimitInputs()), limitWordsOf(rr)
	row.Path = pathOf(s, rr)
	row.Compared = comparedOf(s.record, rr, row.Path)
	row.Promise = promiseOf(s, rr)
	if rr.GetUncertaintyKind() != 0 {
		row.Uncertainty = &Measure{cli.Enum(rr.GetUncertaintyKind()), float64(rr.GetUncertaintyPpm()) / million}
	}
	if by := int(rr.GetAnsweredBy()); by > 0 && by <= len(s.record.GetStages()) {
		row.AnsweredBy = s.record.GetStages()[by-1].GetStage()
		row.Answer = answerText(rr.GetLabel(), rr.Value)
	}
	// Oldest first: an appeal's answer comes after the one that it disputes.
	items := slices.SortedStableFunc(slices.Values(s.items), func(a, b *candorv1.ReviewItem) int {
		return a.GetCreateTime().AsTime().Compare(b.GetCreateTime().AsTime())
	})
	for _, item := range items {
		if item.GetRow() == at && item.GetField() == field {
			row.addReview(item, s.events[item.GetName()])
		}
	}
	for _, o := range s.outcomes {
		if o.Row == row.Row && o.Field == field {
			row.Outcomes = append(row.Outcomes, o)
		}
	}
	return row
}

// answerText is a label or a value as people read it; empty: neither.
func answerText(label string, value *float64) string {
	if value != nil {
		return cli.Quantity(*value)
	}
	return label
}

func fromPPM(v *uint32) *float64 {
	if v == nil {
		return nil
	}
	out := float64(*v) / million
	return &out
}

func uuidText(b []byte) string {
	id, err := uuid.FromBytes(b)
	if err != nil {
		return ""
	}
	return id.String()
}

func hasReason(rr *candorv1.RowRecord, any ...candorv1.Reason) bool {
	return slices.ContainsFunc(rr.GetReasons(), func(r candorv1.Reason) bool { return slices.Contains(any, r) })
}

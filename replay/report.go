package replay

import "time"

// Report is what another configuration would have changed.
type Report struct {
	// Since and Until bound the predictions that were decided again; Since is not before the first of them.
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	// Predictions and their rows, also those of models that the configuration doesn't have.
	Predictions uint64 `json:"predictions"`
	Rows        uint64 `json:"rows"`
	// Missing records were left out of the log because its queue was full.
	Missing uint64 `json:"missing"`
	// Models in the order of their names; those without rows are left out.
	Models []ModelReport `json:"models"`
	// Absent are rows of models that the configuration doesn't have: their callers would get an error.
	Absent []Count `json:"absent,omitempty"`
}

// ModelReport is about one model. Shares are of its rows.
type ModelReport struct {
	Model string `json:"model"`
	Rows  uint64 `json:"rows"`
	// Days between the first and the end.
	Days     float64   `json:"days"`
	Licenses []License `json:"licenses"`
	// Decided says what the policy decided and would decide. Callers is what callers got and would get, there where a mode is observe:
	// then the model's answer passes.
	Decided []Cell `json:"decided"`
	Callers []Cell `json:"callers,omitempty"`
	// Changed rows would be decided otherwise; Changes are the first of them.
	Changed   uint64     `json:"changed"`
	Changes   []Change   `json:"changes,omitempty"`
	Undecided []Reasoned `json:"undecided,omitempty"`
	// CoverageBefore and CoverageAfter are the shares of accepted rows, among those that can be decided again. With the others it is
	// at least CoverageLeast and at most CoverageMost.
	CoverageBefore Share   `json:"coverage_before"`
	CoverageAfter  Share   `json:"coverage_after"`
	CoverageLeast  float64 `json:"coverage_least"`
	CoverageMost   float64 `json:"coverage_most"`
	// Asked are rows that would go to a fallback that wasn't asked about them.
	Asked   []Asked  `json:"asked,omitempty"`
	Review  Load     `json:"review"`
	Errors  []Errors `json:"errors"`
	Labels  []Moved  `json:"labels,omitempty"`
	Actions []Action `json:"actions,omitempty"`
}

// Count is how many rows something has.
type Count struct {
	Name string `json:"name"`
	Rows uint64 `json:"rows"`
}

// License is the threshold that a stage's answers are held against.
type License struct {
	Segment string `json:"segment,omitempty"`
	Stage   string `json:"stage"`
	// Threshold on the confidence scale; absent: nothing is accepted, for Missing.
	Threshold *float64 `json:"threshold,omitempty"`
	Missing   string   `json:"missing,omitempty"`
}

// Cell of a matrix.
type Cell struct {
	From  Outcome `json:"from"`
	To    Outcome `json:"to"`
	Rows  uint64  `json:"rows"`
	Share float64 `json:"share"`
}

// Change is a row that would be decided otherwise.
type Change struct {
	PredictionID string    `json:"prediction_id"`
	Row          int       `json:"row"`
	Time         time.Time `json:"time"`
	From         Outcome   `json:"from"`
	To           Outcome   `json:"to"`
	// Label or Value is the primary's answer, Confidence and the thresholds those of the stage that would decide.
	Label           string   `json:"label,omitempty"`
	Value           *float64 `json:"value,omitempty"`
	Stage           string   `json:"stage"`
	Confidence      *float64 `json:"confidence,omitempty"`
	ThresholdBefore *float64 `json:"threshold_before,omitempty"`
	ThresholdAfter  *float64 `json:"threshold_after,omitempty"`
	Reasons         []string `json:"reasons"`
	Condition       string   `json:"condition,omitempty"`
	Segment         string   `json:"segment,omitempty"`
}

// Reasoned are rows that can't be decided again, by why not.
type Reasoned struct {
	Cause  Cause   `json:"cause"`
	Detail string  `json:"detail,omitempty"`
	Rows   uint64  `json:"rows"`
	Share  float64 `json:"share"`
}

// Asked are rows that would go to a tier that wasn't asked about them. What would become of them isn't known. Seen is what became of
// the rows that this tier was asked about: rows that the stages before it were less sure of.
type Asked struct {
	Stage    string `json:"stage"`
	Rows     uint64 `json:"rows"`
	Answered Share  `json:"seen_answered"`
	Deferred Share  `json:"seen_deferred"`
	Rejected Share  `json:"seen_rejected"`
}

// Load is what goes to reviewers, items a day.
type Load struct {
	DeferredBefore float64 `json:"deferred_before"`
	// DeferredAfter counts rows that certainly would be deferred, DeferredMost also those of which it isn't known.
	DeferredAfter float64 `json:"deferred_after"`
	DeferredMost  float64 `json:"deferred_most"`
	// Audits of rows that nobody waits for: recorded, and as the promise's budget expects them.
	AuditsBefore float64 `json:"audits_before"`
	AuditsAfter  float64 `json:"audits_after"`
}

// Errors are how often the primary's answer was wrong in a group of rows, by what people said of it.
type Errors struct {
	Group Group  `json:"group"`
	Rows  uint64 `json:"rows"`
	// Chosen rows were to be judged; Open of them have no verdict, because it is yet to come or never came.
	Chosen uint64 `json:"chosen"`
	Open   uint64 `json:"open"`
	// Unsampled rows could not be chosen, because nothing was promised of them: whatever is true of them is possible. Low and High of
	// Verdicts allow for that, its Rate is of the others.
	Unsampled uint64 `json:"unsampled"`
	// Verdicts is the estimate from rows that were chosen with a recorded probability. Outcomes is that of the rows whose ground truth
	// was reported: as trustworthy as what decided which are reported.
	Verdicts Rate `json:"verdicts"`
	Outcomes Rate `json:"outcomes"`
}

// Group of rows.
type Group string

const (
	NewlyAccepted  Group = "NEWLY_ACCEPTED"
	NoLonger       Group = "NO_LONGER_ACCEPTED"
	StillAccepted  Group = "STILL_ACCEPTED"
	AcceptedBefore Group = "ACCEPTED_BEFORE"
	AcceptedAfter  Group = "ACCEPTED_AFTER"
)

// groups in the order of a report.
var groups = []Group{NewlyAccepted, NoLonger, StillAccepted, AcceptedBefore, AcceptedAfter}

// Moved is what changes for the rows that the primary answers with a label.
type Moved struct {
	Label   string `json:"label"`
	Rows    uint64 `json:"rows"`
	Before  uint64 `json:"accepted_before"`
	After   uint64 `json:"accepted_after"`
	Changed uint64 `json:"changed"`
	Unknown uint64 `json:"undecided"`
}

// Action is how many rows leave, without a person, with an answer that means it. After is certain, Most counts the rows too of which
// it isn't known.
type Action struct {
	Action string `json:"action"`
	Before uint64 `json:"before"`
	After  uint64 `json:"after"`
	Most   uint64 `json:"most"`
}

package explain

import (
	"fmt"
	"strings"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
)

// LimitInput is an amount or a key that limits took from a row's request.
type LimitInput struct {
	// Source is as in the record: parameter:NAME, input:NAME[COLUMN]; that of a key ends in " as key".
	Source string `json:"source"`
	// Amount in Unit; nil: it is a key, or could not be read.
	Amount *int64 `json:"amount,omitempty"`
	Unit   string `json:"unit,omitempty"`
	Key    string `json:"key,omitempty"`
	// Fault says why it could not be read; empty: it was.
	Fault string `json:"fault,omitempty"`
}

// LimitWord is what a limit said that withheld the row's answer, or, in a dry run, would have.
type LimitWord struct {
	Limit string `json:"limit"`
	// Says is TRIPPED (by this prediction), LATCHED (it had tripped before), STOPPED, UNAVAILABLE or INVALID.
	Says   string `json:"says"`
	DryRun bool   `json:"dry_run,omitempty"`
	// Count of MaxCount in Unit had been released when it tripped, Amount didn't fit, Denominator is what Count was a share of; 0: none, or who
	// asks isn't told.
	Count       int64  `json:"count,omitempty"`
	MaxCount    int64  `json:"max_count,omitempty"`
	Amount      int64  `json:"amount,omitempty"`
	Unit        string `json:"unit,omitempty"`
	Denominator int64  `json:"denominator,omitempty"`
}

// keySuffix ends the source of a key.
const keySuffix = " as key"

func limitInputsOf(inputs []*candorv1.LimitInput) []LimitInput {
	var out []LimitInput
	for _, in := range inputs {
		one := LimitInput{Source: in.GetSource(), Unit: in.GetUnit(), Key: strings.ToValidUTF8(string(in.GetKey()), "?"), Fault: in.GetFault()}
		if in.GetFault() == "" && !one.isKey() {
			amount := in.GetAmount()
			one.Amount = &amount
		}
		out = append(out, one)
	}
	return out
}

func (in LimitInput) isKey() bool { return strings.HasSuffix(in.Source, keySuffix) }

// limitWordsOf are what the record has; of one from before it had them, what follows from its reasons.
func limitWordsOf(rr *candorv1.RowRecord) []LimitWord {
	var out []LimitWord
	for _, w := range rr.GetLimits() {
		out = append(out, LimitWord{
			Limit: w.GetLimit(), Says: cli.Enum(w.GetSays()), DryRun: w.GetDryRun(), Count: w.GetCount(), MaxCount: w.GetMaxCount(), Amount: w.GetAmount(),
			Unit: w.GetUnit(), Denominator: w.GetDenominator(),
		})
	}
	if rr.GetLimit() == "" || len(rr.GetLimits()) > 0 {
		return out
	}
	says := candorv1.LimitSays_LIMIT_SAYS_LATCHED
	switch {
	case hasReason(rr, candorv1.Reason_REASON_LIMIT_UNAVAILABLE):
		says = candorv1.LimitSays_LIMIT_SAYS_UNAVAILABLE
	case hasReason(rr, candorv1.Reason_REASON_LIMIT_INPUT_INVALID):
		says = candorv1.LimitSays_LIMIT_SAYS_INVALID
	case limits.IsStop(rr.GetLimit()):
		says = candorv1.LimitSays_LIMIT_SAYS_STOPPED
	}
	return []LimitWord{{Limit: rr.GetLimit(), Says: cli.Enum(says)}}
}

// limitName is a limit's name as commands take it.
func limitName(name string) string { return strings.TrimPrefix(limits.ResourceName(name), "limits/") }

// withheldBy is the limit that withheld the answer; nil: none did.
func (r *Row) withheldBy() *LimitWord {
	for i := range r.Limits {
		if !r.Limits[i].DryRun {
			return &r.Limits[i]
		}
	}
	return nil
}

// limits tells what the limits took, and what they said.
func (p *printer) limits(r *Row) {
	for _, in := range r.LimitInputs {
		source := cli.Plain(strings.TrimSuffix(in.Source, keySuffix))
		name, value := "amount", "?"
		switch {
		case in.isKey():
			name = "key"
			if in.Fault == "" {
				value = fmt.Sprintf("%q", in.Key)
			}
		case in.Amount != nil:
			value = cli.Plain(limits.Words(*in.Amount, in.Unit))
		}
		if in.Fault != "" {
			value = "none: " + cli.Plain(in.Fault)
		}
		p.field(name, value+", from "+source)
	}
	for _, w := range r.Limits {
		name := "limit"
		if w.DryRun {
			name = "dry run"
		}
		p.field(name, cli.Plain(limitName(w.Limit))+" "+w.String())
	}
}

// short says why the answer was withheld, in a few words.
func (w *LimitWord) short() string {
	switch w.Says {
	case "TRIPPED":
		return "the limit trips"
	case "STOPPED":
		return "a person has stopped it"
	case "UNAVAILABLE":
		return "the limit can't be asked"
	case "INVALID":
		return "the limit can't count it"
	}
	return "the limit has tripped"
}

func (w *LimitWord) String() string {
	withheld := "withheld the answer"
	if w.DryRun {
		withheld = "would have withheld the answer"
	}
	switch w.Says {
	case "TRIPPED":
		return "tripped at this prediction and " + withheld + w.figures()
	case "STOPPED":
		return withheld + ": a person had stopped it"
	case "UNAVAILABLE":
		return withheld + ": its store could not be asked, and nothing has tripped"
	case "INVALID":
		return withheld + ": it can't count what has no amount or key, and nothing has tripped"
	}
	return "had tripped and " + withheld + w.figures()
}

// figures are the trip's numbers; empty: they aren't known.
func (w *LimitWord) figures() string {
	if w.MaxCount == 0 {
		return ""
	}
	out := ": " + cli.Plain(limits.PartWords(w.Count, w.MaxCount, w.Unit)) + " released in its window then"
	if w.Denominator > 0 {
		out += ", among " + limits.Words(w.Denominator, "")
	}
	if w.Amount > 0 {
		out += ", and " + cli.Plain(limits.Words(w.Amount, w.Unit)) + " more didn't fit"
	}
	return out
}

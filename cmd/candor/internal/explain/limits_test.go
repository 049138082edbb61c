package explain

import (
	"strings"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// What limits took and said is told in money and by the names that commands take; and what an old record doesn't have, by its reasons.
func TestLimitsInWords(t *testing.T) {
	trip := func(says candorv1.LimitSays) *candorv1.LimitWord {
		return &candorv1.LimitWord{Limit: "spent/a%2Fb", Says: says, Count: 495000, MaxCount: 500000, Amount: 33000, Unit: "USD cents"}
	}
	for name, tt := range map[string]struct {
		row  *candorv1.RowRecord
		want string
	}{
		"tripped": {
			&candorv1.RowRecord{Limit: "spent/a%2Fb", Limits: []*candorv1.LimitWord{
				trip(candorv1.LimitSays_LIMIT_SAYS_TRIPPED),
				{Limit: "share", Says: candorv1.LimitSays_LIMIT_SAYS_LATCHED, DryRun: true, Count: 4, MaxCount: 4, Denominator: 1022},
			}, LimitInputs: []*candorv1.LimitInput{
				{Source: "input:x[3]*100", Amount: 33000, Unit: "USD cents"}, {Source: "parameter:shop as key", Key: []byte("a/b\x1b")}, {Source: "parameter:points"},
			}},
			`  amount     330.00 USD, from input:x[3]*100
  key        "a/b\x1b", from parameter:shop
  amount     0, from parameter:points
  limit      spent/keys/a%2Fb tripped at this prediction and withheld the answer: 4,950.00 of 5,000.00 USD released in its window then, and 330.00 USD more didn't fit
  dry run    share had tripped and would have withheld the answer: 4 of 4 released in its window then, among 1,022
`,
		},
		"what its consumer is told": {
			&candorv1.RowRecord{Limit: "spent", Limits: []*candorv1.LimitWord{{Limit: "spent", Says: candorv1.LimitSays_LIMIT_SAYS_LATCHED}}},
			"  limit      spent had tripped and withheld the answer\n",
		},
		"not countable": {
			&candorv1.RowRecord{Limit: "spent", Limits: []*candorv1.LimitWord{{Limit: "spent", Says: candorv1.LimitSays_LIMIT_SAYS_INVALID}},
				LimitInputs: []*candorv1.LimitInput{{Source: "parameter:cents", Fault: "parameters[cents] is missing; send it"}}},
			"  amount     none: parameters[cents] is missing; send it, from parameter:cents\n" +
				"  limit      spent withheld the answer: it can't count what has no amount or key, and nothing has tripped\n",
		},
		"an old record": {&candorv1.RowRecord{Limit: "declines", Reasons: []candorv1.Reason{limitTripped}}, "  limit      declines had tripped and withheld the answer\n"},
		"an old record of a store that failed": {
			&candorv1.RowRecord{Limit: "declines", Reasons: []candorv1.Reason{candorv1.Reason_REASON_LIMIT_UNAVAILABLE}},
			"  limit      declines withheld the answer: its store could not be asked, and nothing has tripped\n",
		},
		"an old record of a stop": {
			&candorv1.RowRecord{Limit: "stop:action:decline", Reasons: []candorv1.Reason{limitTripped}},
			"  limit      stop:action:decline withheld the answer: a person had stopped it\n",
		},
		"nothing": {&candorv1.RowRecord{}, ""},
	} {
		row := Row{LimitInputs: limitInputsOf(tt.row.GetLimitInputs()), Limits: limitWordsOf(tt.row)}
		p := &printer{}
		p.limits(&row)
		if got := strings.ReplaceAll(p.String(), `a/b\\x1b`, `a/b\x1b`); got != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, tt.want)
		}
		if by := row.withheldBy(); (by != nil) != (tt.row.GetLimit() != "") {
			t.Errorf("%s: withheld by %v", name, by)
		}
	}
}

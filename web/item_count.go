package web

import (
	"net/http"
	"strconv"
	"strings"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// verbCount is an operator's word on what a held answer comes to, as its address has it.
const verbCount = "count"

// keySuffix ends the source of a key.
const keySuffix = " as key"

// wantRow is an amount or a key that a limit can't count the held answer without.
type wantRow struct {
	*candorv1.LimitWant
	// What it is, in words, and Short the limit's name.
	What, Short string
	// Value that was entered for it, where that was refused.
	Value string
}

func wantRowsOf(it *candorv1.ReviewItem, r *http.Request) []wantRow {
	entered := countedOf(r)
	var out []wantRow
	for _, w := range it.GetLimitWants() {
		row := wantRow{LimitWant: w, Short: idOf(w.GetLimit()), Value: entered[w.GetSource()]}
		row.What = "Amount of " + strings.TrimSuffix(w.GetSource(), keySuffix)
		switch {
		case w.GetKey():
			row.What = "Key: " + strings.TrimSuffix(w.GetSource(), keySuffix)
		case w.GetUnit() != "":
			row.What += ", in whole " + w.GetUnit()
		}
		out = append(out, row)
	}
	return out
}

// countedOf is what a form says, by source. Another form says nothing.
func countedOf(r *http.Request) map[string]string {
	out := map[string]string{}
	sources, values := r.PostForm["source"], r.PostForm["counted"]
	for i := range min(len(sources), len(values)) {
		out[sources[i]] = values[i]
	}
	return out
}

// countItem says what a held answer comes to. The service asks for the role and records who said it and why.
func (s *Server) countItem(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.correct(w, r, v, tried{verb: verbCount, why: r.PostFormValue("why")}, "counted", func(name string) error {
		in := &candorv1.StateLimitInputsRequest{ReviewItem: name, Reason: strings.TrimSpace(r.PostFormValue("why")), RequestId: requestID(r)}
		for source, value := range countedOf(r) {
			one := &candorv1.LimitInput{Source: source}
			if strings.HasSuffix(source, keySuffix) {
				one.Key = []byte(value)
			} else {
				n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
				if err != nil || n < 0 {
					return badForm("The amount is no whole number", "Write whole units, 0 or more, such as 700000, and submit again.")
				}
				one.Amount = n
			}
			in.Inputs = append(in.Inputs, one)
		}
		ctx, cancel := s.call(r, v)
		defer cancel()
		_, err := s.ops.limits.StateLimitInputs(ctx, in)
		return err
	})
}

package config

import (
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// fieldsBackend and fieldsModel are a model with three fields, without a fault.
const (
	fieldsBackend = `  docs:
    address: localhost:8004
    model: docs
    version: 1
    card:
      created_at: 2026-01-01T00:00:00Z
      owner: team
      rows: first_dim
      inputs: [{name: page, datatype: FP32, shape: [-1, 4]}]
      outputs:
        - {name: who, datatype: FP32, shape: [-1, 3]}
        - {name: who_text, datatype: BYTES, shape: [-1]}
        - {name: cur, datatype: FP32, shape: [-1, 2]}
        - {name: sum, datatype: FP32, shape: [-1]}
        - {name: sum_lo, datatype: FP32, shape: [-1]}
        - {name: sum_hi, datatype: FP32, shape: [-1]}
        - {name: page_vector, datatype: FP32, shape: [-1, 8]}
      scores:
        - {field: vendor, output: who, kind: logit, labels: [acme, globex, other]}
        - {output: cur, kind: probability, labels: [EUR, USD]}
        - {field: total, output: sum, kind: regression, regression: {unit: EUR, lower_output: sum_lo, upper_output: sum_hi, max: 1000}}
`
	fieldsModel = `  paper:
    primary: docs
    policy:
      mode: enforce
      accept: {threshold: {probability: 0.8}}
      fields:
        total: {threshold: {interval_width: 2}, interval_scale: 50}
      review: {queue: desk}
      on_defer: withhold
      answers:
        - {output: who, fill: scores}
        - {output: who_text, fill: label, field: vendor, neutral_text: ""}
        - {output: cur, fill: scores}
        - {output: sum, fill: value}
        - {output: sum_lo, fill: neutral}
        - {output: sum_hi, fill: neutral}
        - {output: page_vector, fill: neutral}
      actions: [{name: hold, when: {output: who, label_in: [other]}}, {name: pay, when: {output: sum, above: 500}}]
`
)

// withFields is base.yaml with the model of three fields, and edits of it.
func withFields(t *testing.T, edits ...edit) []byte {
	return base(t, append([]edit{{"ensembles:\n", fieldsBackend + "ensembles:\n"}, {"queues:\n", fieldsModel + "queues:\n"}}, edits...)...)
}

func TestCheckFields(t *testing.T) {
	const (
		scores = "backends.docs.card.scores"
		paper  = "models.paper.policy."
		batch  = "warning: models.paper.policy.on_defer: "
	)
	accept := "accept: {threshold: {probability: 0.8}}"
	promise := "accept: {promise: {alpha: 0.05, delta: 0.1, audit: {rate: 0.1}}}"
	rare := "accept: {promise: {alpha: 0.0006, delta: 0.001, audit: {rate: 0.1}}}"
	total := "total: {threshold: {interval_width: 2}, interval_scale: 50}"
	for _, tc := range []struct {
		name  string
		edits []edit
		want  []string
	}{
		{"no fault", nil, nil},
		// The card.
		{"an output twice", []edit{{"{output: cur, kind: probability, labels: [EUR, USD]}", "{field: cur, output: who, kind: logit, labels: [a, b, c]}"}},
			[]string{scores + `[1].output: the score of output "who" is already given at [0]`, paper + "answers[2].fill: nothing says which field's answer cur"}},
		{"a field twice", []edit{{"{output: cur, kind", "{field: vendor, output: cur, kind"}}, []string{scores + `[1].field: the field "vendor" is already given at [0]`}},
		{"a field named as another's output", []edit{{"{field: total, output: sum,", "{field: cur, output: sum,"}, {"        total: {", "        cur: {"}},
			[]string{scores + `[2]: its field "cur" is also the name of another`, paper + "fields.cur.threshold: "}},
		{"a field that is no name", []edit{{"field: vendor, output: who,", `field: "the vendor", output: who,`}, {"fill: label, field: vendor", "fill: label, field: total"}},
			[]string{scores + "[0].field: ", paper + "answers[1].fill: a regression's answer is a value"}},
		{"a name for one field", []edit{{"{output: odds, kind: log_odds", "{field: odds, output: odds, kind: log_odds"}}, []string{"warning: backends.tree.card.scores[0].field: has no effect"}},
		{"a flag that is a score", []edit{{"{name: page_vector, datatype: FP32, shape: [-1, 8]}\n", "{name: page_vector, datatype: FP32, shape: [-1, 8]}\n      abstain_output: sum_lo\n"}},
			[]string{"backends.docs.card.abstain_output: sum_lo is read as the score"}},
		{"a calibrator", []edit{{"    model: docs\n", "    model: docs\n    calibrator: docs@1\n"}}, []string{"backends.docs.calibrator: a calibrator is made for one score, and the card has 3"}},
		// The policy of fields.
		{"fields of a model with one", []edit{{"      mode: observe\n", "      mode: observe\n      fields: {v: {threshold: {interval_width: 2}}}\n"}}, []string{"models.worth.policy.fields: the primary's card has no two scores"}},
		{"no such field", []edit{{"        total: {", "        vendr: {default_label: acme}\n        total: {"}}, []string{paper + `fields.vendr: the primary's card has no field "vendr"; write vendor`}},
		{"accept that doesn't fit", []edit{{"      fields:\n        " + total + "\n", ""}}, []string{paper + "fields.total.interval_scale: "}},
		{"accept of another kind", []edit{{total, "total: {interval_scale: 50}"}}, []string{paper + `fields.total.threshold: the policy's does not fit field "total": a threshold of kind probability`}},
		{"a confidence that doesn't fit", []edit{{total, "total: {confidence: entropy, interval_scale: 50}"}}, []string{paper + "fields.total.confidence: entropy needs class probabilities"}},
		{"a policy's confidence that doesn't fit", []edit{{accept, "confidence: max_prob\n      " + accept}}, []string{paper + `fields.total.confidence: the policy's does not fit field "total"`}},
		{"a policy's confidence that is not everybody's", []edit{{accept, "confidence: max_prob\n      " + accept}, {total, "total: {confidence: interval_width, threshold: {interval_width: 2}, interval_scale: 50}"}}, nil},
		{"everything passes", []edit{{total, "cur: {threshold: {probability: 0.5}}\n        " + total}}, []string{"warning: " + paper + "fields.cur.threshold.probability: it can never bind"}},
		{"no interval", []edit{{", lower_output: sum_lo, upper_output: sum_hi", ""}, {"{output: sum_lo, fill: neutral}", "{output: sum_lo, fill: neutral}"}}, []string{paper + "fields.total: its score names no interval"}},
		{"nothing is accepted but the total", []edit{{"      " + accept + "\n", ""}}, nil},
		// What is about one answer to a row.
		{"a fallback", []edit{{accept, accept + "\n      fallback: {ensemble: second}"}}, []string{paper + "fallback: an ensemble gives one answer to a row, and the primary's card has 3 fields"}},
		{"a judge", []edit{{accept, accept + "\n      confidence: meta\n      meta: {backend: net}"}, {total, "total: {confidence: interval_width, threshold: {interval_width: 2}, interval_scale: 50}"}},
			[]string{paper + "meta: it says how likely one answer is right", paper + "fields.vendor.confidence: meta says", paper + "fields.cur.confidence: meta says"}},
		{"a member", []edit{{"members: [{backend: tree}]", "members: [{backend: tree}, {backend: docs}]"}}, []string{"ensembles.second.members[1].backend: its card has 3 fields"}},
		{"a remedial stage", []edit{{"remedial: {constant_label: spam}", "remedial: {backend: docs}"}}, []string{"ensembles.second.remedial.backend: its card has 3 fields"}},
		// A promise.
		{"a promise of the fields without a threshold", []edit{{accept, promise}}, nil},
		{"a promise of every field", []edit{{accept, promise}, {total, "total: {interval_scale: 50, tolerance: 0.5}"}}, nil},
		{"a promise without a tolerance", []edit{{accept, promise}, {total, "total: {interval_scale: 50}"}}, []string{paper + "fields.total.tolerance: is missing: a regression is wrong"}},
		{"a tolerance of labels", []edit{{accept, promise}, {total, "vendor: {tolerance: 1}\n        " + total}}, []string{paper + "fields.vendor.tolerance: the primary classifies"}},
		{"a tolerance of no promise", []edit{{total, "total: {threshold: {interval_width: 2}, interval_scale: 50, tolerance: 1}"}}, []string{"warning: " + paper + "fields.total.tolerance: has no effect"}},
		{"one tolerance for all", []edit{{accept, "accept: {promise: {alpha: 0.05, delta: 0.1, audit: {rate: 0.1}, tolerance: 1}}"}}, []string{paper + "accept.promise.tolerance: one tolerance can't be"}},
		{"a held-out start", []edit{{accept, "accept: {promise: {alpha: 0.05, delta: 0.1, audit: {rate: 0.1}, held_out: paper@1}}"}}, []string{paper + "accept.promise.held_out: a held-out certificate is of one score"}},
		{"observed until certified", []edit{{accept, "accept: {promise: {alpha: 0.05, delta: 0.1, audit: {rate: 0.1}, on_new_version: observe}}"}}, []string{paper + "accept.promise.on_new_version: observe is about whole calls"}},
		{"a promise of nothing", []edit{{accept, promise}, {total, "vendor: {threshold: {probability: 0.8}}\n        cur: {threshold: {probability: 0.8}}\n        " + total}},
			[]string{paper + "accept.promise: every field has a threshold of its own"}},
		{"nobody to judge", []edit{{accept, promise}, {"      review: {queue: desk}\n      on_defer: withhold\n", ""}}, []string{paper + "accept.promise: nobody judges", "warning: models.paper.policy: rows that are not sure enough"}},
		// What one field's share of delta earns in time, two fields' shares don't.
		{"two fields", []edit{{accept, rare}}, []string{"warning: " + paper + "accept.promise: even without one error"}},
		{"one field", []edit{{accept, rare}, {total, "vendor: {threshold: {probability: 0.8}}\n        " + total}}, nil},
		// Defaults.
		{"no default", []edit{{"      on_defer: withhold", "      on_defer: default"}}, []string{
			paper + `fields.vendor: there is no default answer for field "vendor"; add default_label`, paper + "fields.cur: there is no default answer",
			paper + `fields.total: there is no default answer for field "total"; add default_value`,
		}},
		{"one default for all", []edit{{"review: {queue: desk}", "review: {queue: desk, default_label: other}"}}, []string{paper + "review.default_label: one default can't answer every field"}},
		{"a default for each", []edit{{"      on_defer: withhold", "      on_defer: default"},
			{total, "vendor: {default_label: other}\n        cur: {default_label: EUR}\n        total: {threshold: {interval_width: 2}, interval_scale: 50, default_value: 0}"}}, nil},
		{"defaults of the wrong kind", []edit{{total, "vendor: {default_value: 1}\n        cur: {default_label: GBP}\n        total: {threshold: {interval_width: 2}, interval_scale: 50, default_value: 2000}"}},
			[]string{paper + "fields.vendor.default_value: the primary classifies", paper + `fields.cur.default_label: "GBP" is none of the labels`, paper + "fields.total.default_value: 2000 is outside"}},
		// Answers and actions.
		{"nothing says whose label", []edit{{"fill: label, field: vendor,", "fill: label,"}}, []string{paper + "answers[1].fill: nothing says which field's answer who_text is filled with; add field"}},
		{"nobody's label", []edit{{"fill: label, field: vendor,", "fill: label, field: vendors,"}}, []string{paper + `answers[1].field: the card has no field "vendors"; write vendor`}},
		{"somebody else's score", []edit{{"{output: cur, fill: scores}", "{output: cur, fill: scores, field: vendor}"}}, []string{paper + `answers[2].field: the output is that of field "cur"`}},
		{"a label of a value", []edit{{"fill: label, field: vendor,", "fill: label, field: total,"}}, []string{paper + "answers[1].fill: a regression's answer is a value"}},
		{"a field where there is one", []edit{{"{output: label, fill: label,", "{output: label, fill: label, field: p,"}}, []string{"models.mail.policy.answers[1].field: the card has no two scores"}},
		{"an output is left out", []edit{{"        - {output: who_text, fill: label, field: vendor, neutral_text: \"\"}\n", ""}}, []string{paper + `answers: nothing says how the output "who_text" is filled`}},
		{"an action of no output", []edit{{"{output: who, label_in: [other]}", "{label_in: [other]}"}}, []string{paper + "actions[0].when.output: nothing says which of the card's scores it is about; write cur, sum or who"}},
		{"an action of another field's label", []edit{{"{output: who, label_in: [other]}", "{output: cur, label_in: [other]}"}}, []string{paper + `actions[0].when.label_in[0]: "other" is none of the labels`}},
		{"one label of two fields", []edit{{"labels: [EUR, USD]", "labels: [EUR, other]"}, {"[{name: hold,", "[{name: convert, when: {output: cur, label_in: [other]}}, {name: hold,"}}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, faults := Parse("base.yaml", withFields(t, tc.edits...))
			want := tc.want
			for _, f := range faults {
				if f.Field == paper+"on_defer" && f.Warning {
					want = append(want, batch) // As of every model that withholds.
				}
			}
			expect(t, faults, want)
		})
	}
}

// A policy of several fields has no one confidence to default to.
func TestDefaultsOfFields(t *testing.T) {
	cfg, faults := Parse("base.yaml", withFields(t))
	if len(faults.Errors()) > 0 {
		t.Fatal(faults)
	}
	if m := cfg.GetModels()["paper"].GetPolicy().GetConfidence(); m != candorv1.ConfidenceMethod_CONFIDENCE_METHOD_UNSPECIFIED {
		t.Errorf("confidence %v", m)
	}
	if m := cfg.GetModels()["mail"].GetPolicy().GetConfidence(); m != candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB {
		t.Errorf("of one field: confidence %v", m)
	}
}

package config

import "testing"

// What models say of their rows, and what policies make of it: each case changes testdata/base.yaml as those of TestCheck do.
func TestCheckEvidence(t *testing.T) {
	const (
		score = "backends.net.card.scores[0]."
		price = "backends.price.card.scores[0]."
		mail  = "models.mail.policy."
		worth = "models.worth.policy."
	)
	kind := func(text string) edit {
		return edit{"{output: p, kind: probability, labels", "{output: p, kind: " + text + ", labels"}
	}
	confidence := func(text string) edit { return edit{"mode: enforce", "mode: enforce\n      " + text} }
	accept := func(text string) edit { return edit{"{probability: 0.9}", "{" + text + "}"} }
	tier := func(text string) edit {
		return edit{"{ensemble: second}", "{ensemble: second, threshold: {" + text + "}}"}
	}
	neutral := edit{"{output: p, fill: scores}", "{output: p, fill: neutral}"}
	bounds := "lower_output: lo, upper_output: hi, coverage: 0.9, "
	judge := func(score string) edit {
		return edit{"ensembles:\n", `  judge: {address: 'localhost:1', model: j, version: 1, card: {created_at: 2026-01-01T00:00:00Z, owner: o, rows: first_dim,
    inputs: [{name: x, datatype: FP32, shape: [-1, 4]}], outputs: [{name: r, datatype: FP32, shape: [-1, 2]}], scores: [` + score + `]}}
ensembles:
`}
	}
	right := judge("{output: r, kind: logit, labels: [wrong, right]}")
	byMeta := []edit{confidence("confidence: meta\n      meta: {backend: judge}"), tier("probability: 0.9")}
	for _, tc := range []struct {
		name  string
		edits []edit
		want  []string
	}{
		// distances
		{"distance", []edit{kind("distance, metric: cosine"), confidence("distance_scale: 2"), accept("distance: 0.5"), tier("probability: 0.9"), neutral}, nil},
		{"distance without a metric", []edit{kind("distance"), confidence("distance_scale: 2"), accept("distance: 0.5"), tier("probability: 0.9"), neutral}, []string{score + "metric: is missing"}},
		{"metric of a probability", []edit{kind("probability, metric: cosine")}, []string{score + "metric: a probability has no metric"}},
		{"distance without a scale", []edit{kind("distance, metric: l2"), accept("distance: 0.5"), tier("probability: 0.9"), neutral}, []string{mail + "distance_scale: is missing"}},
		{"scale without a distance", []edit{confidence("distance_scale: 2")}, []string{"warning: " + mail + "distance_scale: has no effect"}},
		{"distance that accepts all", []edit{kind("distance, metric: l2"), confidence("distance_scale: 0.001"), accept("distance: 5"), tier("probability: 0.9"), neutral}, []string{mail + "accept.threshold.distance: every row would be accepted"}},
		{"distance as scores", []edit{kind("distance, metric: l2"), confidence("distance_scale: 2"), accept("distance: 0.5"), tier("probability: 0.9")}, []string{mail + "answers[0].fill: nobody else's answer can be told as a distance; write neutral"}},
		{"max_prob of a distance", []edit{kind("distance, metric: l2"), confidence("confidence: max_prob"), neutral}, []string{mail + "confidence: max_prob needs class probabilities, and the primary's score is a distance; write distance, meta, vote_share or disagreement, or give the backend a calibrator"}},
		{"max_prob of a calibrated distance", []edit{kind("distance, metric: l2"), {"model: net", "model: net\n    calibrator: net@1"}, neutral}, nil},
		{"tier without a threshold", []edit{kind("distance, metric: l2"), confidence("distance_scale: 2"), accept("distance: 0.5"), neutral}, []string{mail + "fallback: has no threshold of its own, and accept's is about distance, which an ensemble's answer does not have; add threshold with probability"}},
		{"distance of a tier", []edit{tier("distance: 0.5")}, []string{mail + "fallback.threshold.distance: an ensemble's answer has no distance; write probability, margin"}},

		// margins
		{"margin kind", []edit{kind("margin"), accept("boundary: 1.5"), tier("vote_share: 0.6"), neutral}, nil},
		{"probability of a boundary", []edit{kind("margin"), tier("margin: 0.9"), neutral}, []string{mail + "accept.threshold.probability: a threshold on probability can't be compared with confidence: boundary; write boundary"}},
		{"boundary that binds nothing", []edit{kind("margin"), accept("boundary: 0"), tier("vote_share: 0"), neutral}, []string{"warning: " + mail + "accept.threshold.boundary: it can never bind", "warning: " + mail + "fallback.threshold.vote_share: it can never bind"}},
		{"boundary that is calibrated", []edit{kind("margin"), {"model: net", "model: net\n    calibrator: net@1"}, confidence("confidence: boundary"), accept("boundary: 1"), tier("probability: 0.9"), neutral}, []string{"warning: " + mail + "confidence: the backend's calibrator has no effect"}},
		{"margin kind in an ensemble", []edit{{"kind: log_odds", "kind: margin"}}, []string{"ensembles.second.members[0].backend: a margin is no probability without a calibrator"}},

		// energy
		{"energy", []edit{kind("logit"), confidence("confidence: energy\n      energy_center: 3"), accept("energy: 5"), tier("disagreement: 0.1")}, nil},
		{"energy without a center", []edit{kind("logit"), confidence("confidence: energy"), accept("energy: 5"), tier("disagreement: 0.1")}, []string{mail + "energy_center: is missing"}},
		{"energy of a probability", []edit{confidence("confidence: energy\n      energy_center: 3")}, []string{mail + "confidence: energy needs one logit for each label, and the primary's score is a probability"}},
		{"energy of one number", []edit{kind("logit"), {"datatype: FP32, shape: [-1, 2]", "datatype: FP32, shape: [-1]"}, confidence("confidence: energy\n      energy_center: 3")}, []string{mail + "confidence: the primary's score is a logit of one number"}},
		{"energy that accepts all", []edit{kind("logit"), confidence("confidence: energy\n      energy_center: 3"), accept("energy: -1000"), tier("probability: 0.9")}, []string{mail + "accept.threshold.energy: every row would be accepted"}},
		{"center for nothing", []edit{confidence("energy_center: 3")}, []string{"warning: " + mail + "energy_center: has no effect"}},

		// ensembles' own
		{"vote share of a tier", []edit{tier("vote_share: 0.6")}, nil},
		{"more disagreement than there is", []edit{tier("disagreement: 0.7")}, []string{mail + "fallback.threshold.disagreement: is not below ln 2 = 0.693"}},
		{"spread of labels", []edit{tier("spread: 0.7"), confidence("interval_scale: 9")}, []string{mail + "fallback.threshold: spread needs a regression"}},
		{"vote share of the primary", []edit{confidence("confidence: vote_share"), accept("vote_share: 0.6")}, []string{"warning: " + mail + "confidence: the primary alone has no vote_share: every row goes on to the fallback; write max_prob here"}},
		{"spread of nobody", []edit{{"interval_scale: 5", "interval_scale: 5\n      confidence: spread"}, {"{interval_width: 2}", "{spread: 2}"}}, []string{worth + "confidence: spread compares the members of an ensemble, and there is none; add fallback, or write interval_width"}},

		// variance
		{"variance", []edit{{bounds, "variance_output: hi, coverage: 0.9, "}}, nil},
		{"variance beside bounds", []edit{{bounds, bounds + "variance_output: v2, "}}, []string{price + `regression.variance_output: the card has no output "v2"`, price + "regression.variance_output: stands beside"}},
		{"value as its variance", []edit{{bounds, "variance_output: v, "}}, []string{price + "regression.variance_output: is the output with the value itself"}},
		{"coverage of nothing", []edit{{bounds, "coverage: 0.9, "}}, []string{"warning: " + price + "regression.coverage: there is no interval", worth + "accept: names no interval"}},

		// abstention
		{"abstains", []edit{{"owner: team\n      rows: none", "owner: team\n      abstain_output: lo\n      rows: none"}, {bounds, "variance_output: hi, "}}, nil},
		{"abstains in an unknown output", []edit{{"owner: team\n      rows: none", "owner: team\n      abstain_output: flag\n      rows: none"}}, []string{`backends.price.card.abstain_output: the card has no output "flag"`}},
		{"abstains by a bound", []edit{{"owner: team\n      rows: none", "owner: team\n      abstain_output: lo\n      rows: none"}}, []string{"backends.price.card.abstain_output: lo is read as the score"}},

		// calibrators
		{"calibrated regression", []edit{{"model: price", "model: price\n    calibrator: price@1"}}, []string{"backends.price.calibrator: the card has no score with labels"}},
		{"calibrator without a version", []edit{{"model: net", "model: net\n    calibrator: net"}}, []string{`backends.net.calibrator: "net" is not an artefact's name`}},

		// meta
		{"meta", []edit{byMeta[0], byMeta[1], right}, nil},
		{"meta without a tier's threshold", []edit{byMeta[0], right}, []string{mail + "fallback: has no threshold of its own, and accept's is about meta"}},
		{"meta of nobody", []edit{confidence("confidence: meta"), tier("probability: 0.9")}, []string{mail + "meta: is missing"}},
		{"meta for nothing", []edit{confidence("meta: {backend: judge}"), right}, []string{mail + "meta: nobody is asked without confidence: meta"}},
		{"meta of the primary", []edit{confidence("confidence: meta\n      meta: {backend: net}"), tier("probability: 0.9")}, []string{mail + "meta.backend: is the primary itself"}},
		{"meta of an unknown backend", []edit{confidence("confidence: meta\n      meta: {backend: jugde}"), tier("probability: 0.9"), right}, []string{mail + `meta.backend: there is no backend "jugde"; write judge`, "warning: backends.judge: nothing refers to it"}},
		{"meta of a margin", []edit{byMeta[0], byMeta[1], judge("{output: r, kind: margin, labels: [wrong, right]}")}, []string{mail + "meta.backend: its score is a margin of 2 labels"}},
		{"meta without a score", []edit{byMeta[0], byMeta[1], judge("")}, []string{mail + "meta.backend: the card of backends.judge declares no score"}},
		{"meta of other inputs", []edit{byMeta[0], byMeta[1], {"ensembles:\n", `  judge: {address: 'localhost:1', model: j, version: 1, card: {created_at: 2026-01-01T00:00:00Z, owner: o, rows: first_dim,
    inputs: [{name: z, datatype: FP32, shape: [-1, 4]}], outputs: [{name: r, datatype: FP32, shape: [-1, 2]}], scores: [{output: r, kind: logit, labels: [wrong, right]}]}}
ensembles:
`}}, []string{mail + `meta.backend: has no input "x"`, mail + `meta.backend: wants the input "z"`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg, faults := Parse("base.yaml", base(t, tc.edits...))
			expect(t, faults, tc.want)
			if len(faults.Errors()) == 0 {
				compiles(t, cfg)
			}
		})
	}
}

package config

import "testing"

// Ensembles of more than one member, their remedial stages and cascades: as TestCheck.
func TestCheckEnsembles(t *testing.T) {
	const (
		second = "ensembles.second."
		mail   = "models.mail.policy."
		worth  = "models.worth.policy."
	)
	// tree2 answers as tree does; euro and euro2 as price.
	backends := edit{"ensembles:\n", `  tree2: {address: "localhost:8004", model: t, version: 1, card: {created_at: 2026-01-01T00:00:00Z, owner: o, rows: first_dim,
    inputs: [{name: x, datatype: FP32, shape: [-1, 4]}], outputs: [{name: m, datatype: FP32, shape: [-1, 2]}], scores: [{output: m, kind: logit, labels: [ham, spam]}]}}
  euro: {address: "localhost:8005", model: e, version: 1, card: &euro {created_at: 2026-01-01T00:00:00Z, owner: o, rows: none,
    inputs: [{name: y, datatype: FP64, shape: [3]}], outputs: [{name: v, datatype: FP64, shape: [1]}], scores: [{output: v, kind: regression, regression: {unit: EUR, min: 0, max: 10}}]}}
  euro2: {address: "localhost:8006", model: y, version: 1, card: {created_at: 2026-01-01T00:00:00Z, owner: o, rows: none,
    inputs: [{name: y, datatype: FP64, shape: [3]}], outputs: [{name: v, datatype: FP64, shape: [1]}], scores: [{output: v, kind: regression, regression: {unit: EUR}}]}} # the second euro
ensembles:
  values: {version: a, members: [{backend: euro}, {backend: euro2}], quorum: 1, combiner: median}
  others: {version: a, members: [{backend: tree2}], quorum: 1, combiner: mean}
`}
	// The third model and a second tier use what stands there beside; every case changes the ensemble "second".
	base0 := []edit{backends,
		{"{ensemble: second}", "{ensemble: second}\n      then: [{ensemble: others}]"},
		{"interval_scale: 5", "interval_scale: 5\n      fallback: {ensemble: values}\n      answers: [{output: v, fill: value}, {output: lo, fill: neutral}, {output: hi, fill: neutral}]"},
	}
	members := func(list string) edit { return edit{"[{backend: tree}]", list} }
	combiner := func(c string) edit {
		return edit{"quorum: 1\n    combiner: mean", "quorum: 1\n    combiner: " + c}
	}
	remedial := func(text string) edit { return edit{"remedial: {constant_label: spam}", text} }
	const two, three = "[{backend: tree}, {backend: tree2}]", "[{backend: tree}, {backend: tree2}, {backend: net}]"
	for _, tc := range []struct {
		name  string
		edits []edit
		want  []string
	}{
		{"nothing", nil, nil},
		{"kinds of class probabilities are alike", []edit{members(two)}, nil},

		// weights
		{"weights of a mean", []edit{members("[{backend: tree, weight: 1}]")}, []string{second + "members[0].weight: combiner mean has no weights"}},
		{"weights", []edit{members("[{backend: tree, weight: 2}, {backend: tree2, weight: 1}]"), combiner("weighted_mean")}, nil},
		{"one weight is missing", []edit{members("[{backend: tree, weight: 2}, {backend: tree2}]"), combiner("weighted_vote")}, []string{second + "members[1].weight: is missing"}},
		{"one weight of a pool is missing", []edit{members("[{backend: tree, weight: 2}, {backend: tree2}]"), combiner("log_pool")}, []string{second + "members[1].weight: is missing"}},
		{"a pool of equal weights", []edit{members(two), combiner("log_pool")}, nil},
		{"a weight of 0", []edit{members("[{backend: tree, weight: 0}, {backend: tree2, weight: 1}]"), combiner("weighted_mean")}, []string{second + "members[0].weight: out of range"}},
		{"fitted weights", []edit{members(two), combiner("weighted_mean\n    fitted: w@3")}, nil},
		{"fitted and written", []edit{members("[{backend: tree, weight: 2}, {backend: tree2}]"), combiner("log_pool\n    fitted: w@3")}, []string{second + "members[0].weight: the weights come from fitted"}},
		{"nothing to fit", []edit{members(two), combiner("mean\n    fitted: w@3")}, []string{second + "fitted: combiner mean has nothing that is fitted"}},
		{"stacking without a model", []edit{members(two), combiner("stacking")}, []string{second + "fitted: is missing"}},
		{"stacking", []edit{members(two), combiner("stacking\n    fitted: s@1")}, nil},
		{"fitted without a version", []edit{members(two), combiner("stacking\n    fitted: s")}, []string{second + `fitted: "s" is not an artefact's name`}},

		// votes and agreement
		{"a vote of a minority", []edit{members(three), combiner("majority_vote")}, []string{"warning: " + second + "quorum: 1 of 3 votes are no majority"}},
		{"agreement", []edit{members(two), combiner("agreement")}, nil},
		{"agreement of too many", []edit{members(two), combiner("agreement\n    agree: 3")}, []string{second + "agree: 3 of 2 members can't agree"}},
		{"agreement of one", []edit{members(two), combiner("agreement\n    agree: 1")}, []string{second + "agree: one member always agrees"}},
		{"agreement with nobody", []edit{combiner("agreement")}, []string{second + "members: one member has nobody to agree with"}},
		{"agree without agreement", []edit{members(two), combiner("mean\n    agree: 2")}, []string{second + "agree: only combiner agreement"}},

		// kinds
		{"the median of labels", []edit{combiner("median")}, []string{second + "members[0].backend: labels have no median, and tree is a log_odds"}},
		{"another unit", []edit{{"unit: EUR}}]}} # the second euro", "unit: JPY}}]}}"}}, []string{
			"ensembles.values.members[1].backend: its unit JPY is not that of euro, EUR", "ensembles.values.members[1].backend: its unit JPY is not that of the primary",
		}},
		{"a vote of values", []edit{members("[{backend: tree}, {backend: euro}]"), combiner("weighted_vote\n    fitted: w@1")},
			[]string{second + "members[1].backend: no label to vote for", second + "members[1].backend: has rows: none"}},

		// stages behind the members
		{"stages in order", []edit{remedial("remedial: {backend: tree2}\n    then: [{rule: 'inputs.x[0] > 1.0 ? \"spam\" : \"\"'}, {constant_label: ham}]")}, nil},
		{"then alone", []edit{remedial("then: [{constant_label: ham}]")}, []string{second + "then: comes after remedial, and there is none"}},
		{"never asked", []edit{remedial("remedial: {constant_label: ham}\n    then: [{backend: tree2}]")}, []string{second + "then[0]: is never asked: constant_label before it"}},
		{"asked twice", []edit{remedial("remedial: {backend: tree2}\n    then: [{backend: tree2}]")}, []string{second + "then[0].backend: tree2 has been asked already"}},
		{"an empty rule", []edit{remedial("remedial: {rule: ''}")}, []string{second + "remedial.rule: is empty"}},
		{"an unknown stage", []edit{remedial("remedial: {backend: tree2}\n    then: [{backend: tree3}]")}, []string{second + `then[0].backend: there is no backend "tree3"; write tree`}},
		{"another label", []edit{remedial("remedial: {backend: tree2}\n    then: [{constant_label: eggs}]")}, []string{second + `then[0].constant_label: "eggs" is none of the labels`}},
		{"a value for a label", []edit{remedial("remedial: {constant_value: 1}")}, []string{second + "remedial.constant_value: the models are classifiers"}},
		{"a value", []edit{{"combiner: median", "combiner: median, remedial: {constant_value: 3}"}}, nil},
		{"a value out of range", []edit{{"combiner: median", "combiner: median, remedial: {constant_value: 30}"}}, []string{"ensembles.values.remedial.constant_value: 30 is outside of the range"}},
		{"a label for a value", []edit{{"combiner: median", "combiner: median, remedial: {constant_label: dear}"}}, []string{"ensembles.values.remedial.constant_label: the models are regressions"}},
		{"a rule for a value", []edit{{"combiner: median", "combiner: median, remedial: {rule: '\"dear\"'}"}}, []string{"ensembles.values.remedial.rule: a rule answers a label"}},

		// cascades
		{"the same tier twice", []edit{{"then: [{ensemble: others}]", "then: [{ensemble: others}, {ensemble: second}]"}}, []string{mail + "then[1].ensemble: fallback asks second already"}},
		{"an unknown tier", []edit{{"then: [{ensemble: others}]", "then: [{ensemble: others}, {ensemble: another}]"}}, []string{mail + `then[1].ensemble: there is no ensemble "another"`}},
		{"a tier of another kind", []edit{{"then: [{ensemble: others}]", "then: [{ensemble: others}, {ensemble: values}]"}},
			[]string{"ensembles.values.members[0].backend: has rows: none", "ensembles.values.members[1].backend: has rows: none"}},
		{"a tier's threshold", []edit{{"then: [{ensemble: others}]", "then: [{ensemble: others, threshold: {margin: 0.2}}]"}}, []string{mail + "then[0].threshold.margin: write probability"}},
		{"then without fallback", []edit{{"fallback: {ensemble: second}\n      then: [{ensemble: others}]", "then: [{ensemble: second}, {ensemble: others}]"}}, []string{mail + "then: comes after fallback, and there is none"}},
		{"labels for a regression", []edit{{"fallback: {ensemble: values}", "fallback: {ensemble: second}"}, {"[{backend: euro}, {backend: euro2}]", "[{backend: euro}]"}},
			[]string{worth + "fallback.ensemble: the primary is a regression", "warning: ensembles.values: nothing", "warning: backends.euro2: nothing"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, faults := Parse("base.yaml", base(t, append(append([]edit(nil), base0...), tc.edits...)...))
			expect(t, faults, tc.want)
		})
	}
}

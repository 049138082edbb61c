package config

import "testing"

func TestCheckPromise(t *testing.T) {
	const (
		mail    = "models.mail.policy."
		promise = mail + "accept.promise."
	)
	good := "alpha: 0.05, delta: 0.1, audit: {rate: 0.1}"
	with := func(body string) edit {
		return edit{"accept: {threshold: {probability: 0.9}}", "accept: {promise: {" + body + "}}"}
	}
	for _, tc := range []struct {
		name  string
		edits []edit
		want  []string
	}{
		{"a promise", []edit{with(good)}, nil},
		{"a budget a day", []edit{with("alpha: 0.05, delta: 0.1, audit: {per_day: 100}")}, nil},
		{"both licences", []edit{{"accept: {threshold: {probability: 0.9}}", "accept: {threshold: {probability: 0.9}, promise: {" + good + "}}"}}, []string{mail + "accept.promise: "}},
		{"no audit", []edit{with("alpha: 0.05, delta: 0.1")}, []string{promise + "audit: is missing"}},
		{"no budget", []edit{with("alpha: 0.05, delta: 0.1, audit: {}")}, []string{promise + "audit: nothing is chosen"}},
		{"alpha above 1", []edit{with("alpha: 5, delta: 0.1, audit: {rate: 0.1}")}, []string{promise + "alpha: 5 is out of range"}},
		{"a coin that never falls", []edit{with("alpha: 0.05, delta: 0.1, audit: {rate: 0}")}, []string{promise + "audit.rate: 0 is out of range"}},
		{"nobody to judge", []edit{with(good), {"review: {queue: desk, default_label: ham}\n      on_defer: default", "on_defer: withhold"}},
			[]string{mail + "accept.promise: nobody judges", "warning: queues.desk: nothing", "warning: limits.stop.on_trip: has no review"}},
		{"levels upside down", []edit{with(good + ", grid: {levels: [0.9, 0.95]}")}, []string{promise + "grid.levels[1]: 0.95 is not below 0.9"}},
		{"levels and quantiles", []edit{with(good + ", grid: {levels: [0.95, 0.9], steps: 4}")}, []string{"warning: " + promise + "grid.steps: no effect"}},
		{"a level that is no confidence", []edit{with(good + ", grid: {levels: [1.5]}")}, []string{promise + "grid.levels[0]: less than or equal to 1"}},
		{"tolerance of a label", []edit{with(good + ", tolerance: 1")}, []string{promise + "tolerance: the primary classifies"}},
		{"held out without a file", []edit{with(good + ", on_new_version: held_out")}, []string{promise + "on_new_version: held_out wants"}},
		{"held out", []edit{with(good + ", on_new_version: held_out, held_out: mail-start@1")}, nil},
		{"held out with segments", []edit{with(good + `, held_out: mail-start@1, segments: [{name: a, when: "true"}]`)},
			[]string{promise + "held_out: a held-out certificate is of all rows"}},
		{"held out without a version", []edit{with(good + ", held_out: mail-start")}, []string{promise + "held_out: "}},
		{"the rest", []edit{with(good + `, segments: [{name: rest, when: "model == 'm'"}]`)}, []string{promise + "segments[0].name: is the name of the rows"}},
		{"a segment twice", []edit{with(good + `, segments: [{name: a, when: "true"}, {name: a, when: "true"}]`)}, []string{promise + "segments[1].name: "}},
		{"stale without fallback", []edit{with(good + ", on_stale: fallback"), {"      fallback: {ensemble: second}\n", ""}},
			[]string{promise + "on_stale: the policy has no fallback", "warning: ensembles.second: nothing"}},
		{"never earned", []edit{with("alpha: 0.0001, delta: 0.001, audit: {rate: 0.1}")}, []string{"warning: " + mail + "accept.promise: even without one error"}},
		{"a regression without tolerance", []edit{{"accept: {threshold: {interval_width: 2}}", "accept: {promise: {" + good + "}}\n      review: {queue: desk}\n      answers: [{output: v, fill: value}, {output: lo, fill: neutral}, {output: hi, fill: neutral}]"}},
			[]string{"models.worth.policy.accept.promise.tolerance: is missing"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, faults := Parse("base.yaml", base(t, tc.edits...))
			expect(t, faults, tc.want)
		})
	}
}

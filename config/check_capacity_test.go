package config

import "testing"

// Each case changes the faultless configuration's queue, or what its policy says of costs and of items that wait.
func TestCheckCapacity(t *testing.T) {
	const (
		desk   = "queues.desk."
		review = "models.mail.policy.review."
		unused = "warning: queues.other: nothing refers to it"
	)
	queue := func(more string) edit {
		return edit{"desk: {reviewers: [ana]}", "desk: {reviewers: [ana], " + more + "}\n  other: {}"}
	}
	policy := func(more string) edit { return edit{"review: {queue: desk,", "review: {" + more + ", queue: desk,"} }
	table := edit{"inputs:\n        - {name: x, datatype: FP32, shape: [-1, 4]}\n      outputs:\n        - {name: p,",
		"inputs:\n        - {name: x, datatype: FP32, shape: [-1, 4], view: table, features: [{name: a}, {name: b}, {name: amount}, {name: d}]}\n        - {name: sum, datatype: FP32, shape: [-1]}\n        - {name: text, datatype: BYTES, shape: [-1]}\n      outputs:\n        - {name: p,"}
	costs := func(entries, amount string) edit {
		return policy("costs: {entries: [" + entries + "], amount: " + amount + "}")
	}
	const missed = "{answer: ham, truth: spam, cost: 3}"
	ensemble := edit{"inputs:\n        - {name: x, datatype: FP32, shape: [-1, 4]} # the tree's",
		"inputs:\n        - {name: x, datatype: FP32, shape: [-1, 4]}\n        - {name: sum, datatype: FP32, shape: [-1]}\n        - {name: text, datatype: BYTES, shape: [-1]}"}
	for _, tc := range []struct {
		name  string
		edits []edit
		want  []string
	}{
		{"hours", []edit{queue(`hours: {time_zone: America/New_York, shifts: [{days: [mon, sat], from: "22:00", until: "24:00"}, {from: "00:00", until: "06:00"}]}`)}, []string{unused}},
		{"no such zone", []edit{queue(`hours: {time_zone: Berlin, shifts: [{from: "09:00", until: "17:00"}]}`)}, []string{desk + `hours.time_zone: there is no time zone "Berlin"`, unused}},
		{"over midnight", []edit{queue(`hours: {shifts: [{from: "22:00", until: "06:00"}]}`)}, []string{desk + "hours.shifts[0].until: 06:00 is not after 22:00; write two shifts", unused}},
		{"no time of day", []edit{queue(`hours: {shifts: [{from: "9:00", until: "25:00"}]}`)}, []string{desk + `hours.shifts[0].from: "9:00" is not a time of day; write one such as 09:30`, desk + `hours.shifts[0].until: "25:00" is not a time of day; write one such as 17:30, at most 24:00`, unused}},
		{"no such day", []edit{queue(`hours: {shifts: [{days: [monday], from: "09:00", until: "17:00"}]}`)}, []string{desk + `hours.shifts[0].days[0]: "monday" is not among its values; write one of mon, tue`, unused}},
		{"hours without a shift", []edit{queue(`hours: {time_zone: UTC}`)}, []string{desk + "hours.shifts: is missing", unused}},
		{"capacity", []edit{queue("capacity: {reviewers: 1, service_time: 30s, per_day: 100}, coalesce: {}")}, []string{unused}},
		{"nobody at work", []edit{queue("capacity: {reviewers: 0}")}, []string{desk + "capacity.reviewers: 0 is out of range", unused}},
		{"more at work than there are", []edit{queue("capacity: {reviewers: 10}")}, []string{"warning: " + desk + "capacity.reviewers: says 10, and the queue has 1 reviewers", unused}},
		{"slower than the deadline", []edit{queue("deadline: 5m, capacity: {reviewers: 1, service_time: 10m}")}, []string{"warning: " + desk + "capacity.service_time: is 10m0s, and its items are due after 5m0s", unused}},
		{"one row of an item", []edit{queue("coalesce: {max_rows: 1}")}, []string{desk + "coalesce.max_rows: 1 is out of range", unused}},
		{"costs by a parameter", []edit{costs(missed, "price")}, nil},
		{"costs by a column", []edit{table, ensemble, costs(missed, "x.amount")}, nil},
		{"costs by an input", []edit{table, ensemble, costs(missed, "sum")}, nil},
		{"cost of no label", []edit{costs("{answer: ham, truth: spamm, cost: 1}", "price")}, []string{review + `costs.entries[0].truth: "spamm" is none of the labels`}},
		{"cost below 0", []edit{costs("{answer: ham, truth: spam, cost: -1}", "price")}, []string{review + "costs.entries[0].cost: -1 is out of range"}},
		{"cost of a right answer", []edit{costs("{answer: ham, truth: ham, cost: 1}", "price")}, []string{"warning: " + review + "costs.entries[0]: a right answer"}},
		{"cost given twice", []edit{costs(missed+", "+missed, "price")}, []string{review + `costs.entries[1]: the cost of "ham where it is spam" is already given at [0]`}},
		{"amount of a whole row", []edit{costs(missed, "x")}, []string{review + `costs.amount: the input "x" has 4 numbers per row; name one of its features`}},
		{"amount of no column", []edit{table, ensemble, costs(missed, "x.amout")}, []string{review + `costs.amount: the input "x" has no feature "amout"; write amount`}},
		{"amount in words", []edit{table, ensemble, costs(missed, "text")}, []string{review + `costs.amount: the input "text" is text`}},
		{"items of another version", []edit{policy("on_replaced: rescore")}, nil},
		{"items that can't be asked about", []edit{{"inputs:\n        - {name: x, datatype: FP32, shape: [-1, 4]}\n      outputs:\n        - {name: p,", "inputs:\n        - {name: x, datatype: FP32, shape: [-1, 4], redact: true}\n      outputs:\n        - {name: p,"}, policy("on_replaced: relabel")},
			[]string{"warning: " + review + `on_replaced: the input "x" is redacted`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, faults := Parse("base.yaml", base(t, tc.edits...))
			expect(t, faults, tc.want)
		})
	}
}

package config

import "testing"

func TestCheckReplicas(t *testing.T) {
	const at = "backends.net."
	place := func(text string) []edit { return []edit{{"address: localhost:8001", text}} }
	list := func(more string) []edit { return place("addresses: [\"a:8001\", \"b:8001\"]" + more) }
	for _, tc := range []struct {
		name  string
		edits []edit
		want  []string
	}{
		{"addresses", list(""), nil},
		{"a name", place("address: dns:///models.svc:8001"), nil},
		{"a name, with all that there is", place("address: dns:///models.svc:8001\n    warm: true\n    replicas: {probe_every: 1s, resolve_every: 10s, failures_in_a_row: 3, failure_margin: 0.5, " +
			"min_calls: 10, window: 10s, ejection: 1s, max_ejection: 1m, max_ejected: 0.34, panic_threshold: 0.7, slow_ratio: 3, slow_calls: 10, slow_by: 0s}"), nil},
		{"nobody is too slow", list("\n    replicas: {slow_ratio: 0}"), nil},
		{"everybody is too slow", list("\n    replicas: {slow_ratio: 1.2}"), []string{at + "replicas.slow_ratio: replicas that do the same work differ by 1.2 times for no reason"}},
		{"warm", place("address: localhost:8001\n    warm: true"), nil},
		{"nowhere", place("warm: true"), []string{at + "address: is missing; add address: localhost:8500, or addresses for several replicas"}},
		{"both", place("address: localhost:8001\n    addresses: [\"a:8001\", \"b:8001\"]"), []string{at + "addresses: stands beside address; write one of them"}},
		{"a name without a port", place("address: dns:///models.svc"), []string{at + `address: "models.svc" is not host:port`}},
		{"an address without a port", place("addresses: [a, \"b:8001\"]"), []string{at + `addresses[0]: "a" is not host:port`}},
		{"a name in the list", place("addresses: [\"dns:///a:8001\", \"b:8001\"]"), []string{at + "addresses[0]: a name whose records are replicas stands alone; write address: dns:///a:8001, or a:8001 here"}},
		{"twice", place("addresses: [\"a:8001\", \"a:8001\"]"), []string{at + "addresses: "}},
		{"one", place("addresses: [\"a:8001\"]"), []string{"warning: " + at + "addresses: there is one replica"}},
		{"replicas of one address", place("address: localhost:8001\n    replicas: {window: 10s}"), []string{at + "replicas: there is one address, so nothing is spread"}},
		{"ejections longer than the longest", list("\n    replicas: {ejection: 1m, max_ejection: 30s}"), []string{at + "replicas.max_ejection: the first ejection, 1m0s, is longer than the longest, 30s"}},
		{"ejections longer than the default", list("\n    replicas: {ejection: 10m}"), []string{at + "replicas.ejection: the first ejection, 10m0s, is longer than the longest, 5m0s"}},
		{"a list that is looked up", list("\n    replicas: {resolve_every: 1m}"), []string{"warning: " + at + "replicas.resolve_every: has no effect"}},
		{"out of range", list("\n    replicas: {probe_every: 1ms, failures_in_a_row: 0, failure_margin: 0, max_ejected: 1.5, panic_threshold: -1, slow_ratio: -1, slow_calls: 65, slow_by: -1s}"), []string{
			at + "replicas.probe_every: ", at + "replicas.failures_in_a_row: ", at + "replicas.failure_margin: ", at + "replicas.max_ejected: ", at + "replicas.panic_threshold: ",
			at + "replicas.slow_ratio: ", at + "replicas.slow_calls: ", at + "replicas.slow_by: ",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, faults := Parse("base.yaml", base(t, tc.edits...))
			expect(t, faults, tc.want)
		})
	}
}

// Package conformance_test holds Candor against model servers and clients that others wrote: every client at every server, direct
// and through Candor, with the same bytes. Candor is the real binary.
//
// interop/run.sh installs what this needs; without CANDOR_INTEROP=1 it is skipped.
package conformance_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestConformance(t *testing.T) {
	if os.Getenv("CANDOR_INTEROP") != "1" {
		t.Skip("CANDOR_INTEROP=1 is not set: the servers and clients are Python packages and a Node one, which interop/run.sh installs before it runs this")
	}
	all := servers()
	for _, s := range all {
		s.start(t)
	}
	candor := startCandor(t, all)

	result := &table{clients: clients()}
	for _, c := range result.clients {
		result.versions = append(result.versions, version(t, c.python, c.pkg))
	}
	seen := make([]bool, len(explanations))
	for _, s := range all {
		part := section{server: s, versions: packageVersions(t, s), cells: map[string]map[string]cell{}}
		for _, k := range checksOf(s) {
			part.checks = append(part.checks, k.Name)
			part.cells[k.Name] = map[string]cell{}
		}
		for _, c := range result.clients {
			t.Run(s.name+"/"+c.title, func(t *testing.T) { meet(t, s, c, candor, part.cells, seen) })
		}
		result.sections = append(result.sections, part)
	}
	for i, e := range explanations {
		if !seen[i] {
			t.Errorf("nobody saw what is explained: %s: %s", e.where(), e.difference)
		}
	}
	t.Run("perf_analyzer", func(t *testing.T) { result.perf = perfAnalyzer(t, all, candor) })
	publish(t, result.String())
}

// meet has one client make its checks at one server, on both ways.
func meet(t *testing.T, s *server, c *client, candor string, cells map[string]map[string]cell, seen []bool) {
	checks := c.checks(s)
	direct := c.run(t, s, s.addr, checks)
	through := slices.Clone(checks)
	for i := range through {
		through[i].Outputs = slices.Concat(through[i].Outputs, through[i].asks)
	}
	viaCandor := c.run(t, s, candor, through)
	for _, k := range checks {
		d, v := direct[k.Name], viaCandor[k.Name]
		here := cell{made: true, direct: d.Code, candor: v.Code}
		for _, diff := range compare(k, d, v) {
			if i := explanationOf(s, c, k, diff); i >= 0 {
				seen[i] = true
				here.notes = append(here.notes, i)
				continue
			}
			here.failed = true
			t.Errorf("%s: %s\n    direct:         %s\n    through Candor: %s", k.Name, diff, d.Message, v.Message)
		}
		for i, e := range explanations {
			if e.claims(s, c, k) && !(e.answered && d.Code != "OK") && !slices.Contains(here.notes, i) {
				here.failed = true
				t.Errorf("%s: the explained difference is not there: %s", k.Name, e.difference)
			}
		}
		if k.good && d.Code != "OK" && !slices.ContainsFunc(refusals, func(r refusal) bool { return r.server == s.name && r.check == k.Name && r.code == d.Code }) {
			here.failed = true
			t.Errorf("%s: the server itself answered %s: %s", k.Name, d.Code, d.Message)
		}
		for _, m := range added(c, k, v) {
			here.failed = true
			t.Errorf("%s: %s", k.Name, m)
		}
		cells[k.Name][c.title] = here
	}
}

// explanationOf is the number of the explanation, or -1.
func explanationOf(s *server, c *client, k testCase, d difference) int {
	return slices.IndexFunc(explanations, func(e explained) bool { return e.claims(s, c, k) && e.difference == d })
}

func packageVersions(t *testing.T, s *server) string {
	t.Helper()
	var out []string
	for _, p := range s.packages {
		out = append(out, p+" "+version(t, s.python, p))
	}
	return strings.Join(out, ", ")
}

// published is the table in the tree.
const published = "../../docs/conformance.md"

// publish prints the table and writes it into the tree. One that differs from the tree's is a failure: then the tree told of
// something else than is.
func publish(t *testing.T, text string) {
	t.Helper()
	fmt.Println(text)
	old, err := os.ReadFile(published)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if string(old) == text {
		return
	}
	if err := os.WriteFile(published, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Errorf("docs/conformance.md was another one; now it is what this run saw. Look at the difference and commit it")
}

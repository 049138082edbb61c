package gateway_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// sources is the text of files, tests left out.
func sources(t *testing.T, patterns ...string) string {
	t.Helper()
	var all strings.Builder
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no file is called %s: %v", pattern, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(text)
		}
	}
	return all.String()
}

// Whatever the table in docs/faults.md names is there: parameters, reasons, metrics, attributes, columns, and words of the page. That they
// say what they should, the tests whose names end with "Seen" hold.
func TestFaultsTable(t *testing.T) {
	own := sources(t, "*.go")
	server := own + sources(t, "../cmd/candor/internal/server/*.go")
	commands := sources(t, "../cmd/candor/*.go")
	page := sources(t, "../web/templates/ops-backends.html")
	quoted := func(in string) func(string) bool {
		return func(s string) bool { return strings.Contains(in, `"`+s+`"`) }
	}
	code, capitals := regexp.MustCompile("`([^`]+)`"), regexp.MustCompile(`\b[A-Z][A-Z_]{2,}( FLIGHT)?\b|IN FLIGHT`)
	doc, err := os.ReadFile("../docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(doc), "| state | answer | metric | trace | command line | page |\n")
	if !ok {
		t.Fatal("docs/faults.md has no table of states")
	}
	rows := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 8 {
			break
		}
		if strings.HasPrefix(cells[1], "---") {
			continue
		}
		rows++
		hold := func(what string, there func(string) bool, names ...string) {
			for _, name := range names {
				if !there(name) {
					t.Errorf("%s: there is no %s %q", strings.TrimSpace(cells[1]), what, name)
				}
			}
		}
		ofCode := func(cell string) (out []string) {
			for _, m := range code.FindAllStringSubmatch(cell, -1) {
				out = append(out, m[1])
			}
			return out
		}
		hold("parameter", quoted(own), ofCode(cells[2])...)
		hold("reason", func(s string) bool { return candorv1.ErrorReason_value["ERROR_REASON_"+s] > 0 }, capitals.FindAllString(cells[2], -1)...)
		hold("metric", quoted(server), ofCode(cells[3])...)
		hold("name in traces", quoted(own), ofCode(cells[4])...)
		hold("command", func(s string) bool { return strings.Contains(commands, `"`+strings.TrimPrefix(s, "candor ")+`"`) }, ofCode(cells[5])...)
		hold("column", quoted(commands), capitals.FindAllString(cells[5], -1)...)
		for name := range strings.SplitSeq(strings.Trim(cells[6], " –"), ", ") {
			hold("word on the page", func(s string) bool { return strings.Contains(page, s) }, name)
		}
	}
	if rows < 10 {
		t.Errorf("%d rows were read", rows)
	}
}

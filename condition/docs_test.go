package condition

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/cel-go/cel"
)

func manual(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/conditions.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What the manual shows works, and what it calls refused is.
func TestManualExamples(t *testing.T) {
	kinds := map[string]Kind{"row": ForRow, "call": ForCall, "rule": ForRule, "refused": ForRow}
	seen := map[string]int{}
	for _, block := range regexp.MustCompile("(?s)```cel (\\w+)\n(.*?)```").FindAllStringSubmatch(manual(t), -1) {
		name, lines := block[1], strings.Split(strings.TrimSpace(block[2]), "\n")
		kind, ok := kinds[name]
		if !ok {
			t.Errorf("unknown block %q", name)
		}
		for _, expr := range lines {
			seen[name]++
			if _, err := Compile(expr, kind); (err != nil) != (name == "refused") {
				t.Errorf("%s: %s: %v", name, expr, err)
			}
		}
	}
	for name := range kinds {
		if seen[name] == 0 {
			t.Errorf("no example of %s", name)
		}
	}
}

// The manual's tables are those of the code.
func TestManualVariables(t *testing.T) {
	text := manual(t)
	row := func(format string, args ...any) {
		t.Helper()
		if line := fmt.Sprintf(format, args...); !strings.Contains(text, line) {
			t.Errorf("the manual has no %q", line)
		}
	}
	in := func(kind Kind, name string) string {
		for _, v := range kind.variables() {
			if v.name == name {
				return " yes |"
			}
		}
		return " |"
	}
	for _, kind := range []Kind{ForRow, ForCall, ForRule} {
		for _, v := range kind.variables() {
			is := cel.FormatCELType(v.is)
			if v.name == "evidence" || v.name == "card" {
				is = "see below"
			}
			row("| `%s` | %s |%s%s%s", v.name, is, in(ForRow, v.name), in(ForCall, v.name), in(ForRule, v.name))
		}
	}
	for name, f := range evidenceFields {
		row("| `evidence.%s` | %s |", name, cel.FormatCELType(f.is))
	}
	for name, f := range cardFields {
		row("| `card.%s` | %s |", name, cel.FormatCELType(f.is))
	}
	row("cost %d.", CostLimit)
	row("at most %d characters", MaxLength)
	row("more than %d bytes", MaxText)
	row("assuming %d parameters, texts of %d characters, %d labels, and\ninputs of %d numbers or %d texts a row", usualParams, usualText, usualLabels, usualRow, usualTexts)
}

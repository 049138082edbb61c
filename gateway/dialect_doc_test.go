package gateway_test

import (
	"os"
	"strings"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
)

// The table of docs/dialects.md is the code's, and the code's has every dialect of the configuration.
func TestDialectsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/dialects.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for line := range strings.Lines(string(doc)) {
		if name, ok := strings.CutPrefix(line, "| `"); ok && strings.Count(line, "|") == 11 {
			name, _, _ = strings.Cut(name, "`")
			documented[name] = strings.TrimSpace(line)
		}
	}
	for _, d := range wire.Dialects() {
		name := strings.ToLower(strings.TrimPrefix(d.Value.String(), "DIALECT_"))
		extras := "none"
		if len(d.Extras) > 0 {
			extras = strings.Join(d.Extras, ", ")
		}
		want := "| " + strings.Join([]string{
			"`" + name + "`", "`" + d.Service + "`", word(d.Params, "all", "basic"),
			map[bool]string{true: "no", false: "yes"}[d.TypedRequests],
			word(d.Answers, "not known", "raw", "mirrored", "typed"),
			word(d.Metadata, "none", "properties", "parameters"),
			word(d.Frames, "none", "wrapped", "bare"),
			word(d.LoadName, "none", "field 1", "field 2"),
			map[bool]string{true: "yes", false: "no"}[d.ServerMetadata], extras,
		}, " | ") + " |"
		if documented[name] != want {
			t.Errorf("docs/dialects.md says\n%s, the code\n%s", documented[name], want)
		}
		delete(documented, name)
	}
	if len(documented) > 0 {
		t.Errorf("docs/dialects.md has dialects that the code doesn't know: %v", documented)
	}
	for number, name := range candorv1.Dialect_name {
		if d := candorv1.Dialect(number); d != candorv1.Dialect_DIALECT_UNSPECIFIED && wire.DialectOf(d).Value != d {
			t.Errorf("the table has no %s", name)
		}
	}
}

// word is one of the enum's values in the page's words.
func word[T ~uint8](value T, words ...string) string { return words[value] }

package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func TestReport(t *testing.T) {
	for _, tt := range []struct {
		name   string
		err    error
		want   string
		status int
	}{
		{"nothing", nil, "", 0},
		{"a failure", Fail("make it", "open %s: %w", "x", fs.ErrNotExist), "candor: open x: file does not exist; make it\n", 1},
		{"without a remedy", errors.New("broken"), "candor: broken\n", 1},
		{"about the command line", Usage("give N", "-n %d", 0), "candor: -n 0; give N\n", 2},
		{"wrapped", fmt.Errorf("while: %w", Usage("", "bad")), "candor: while: bad\n", 2},
		{"told already", Told(1), "", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			if got := Report(&out, tt.err); got != tt.status || out.String() != tt.want {
				t.Errorf("Report = %d, %q, want %d, %q", got, out.String(), tt.status, tt.want)
			}
		})
	}
	if err := Fail("", "%w", fs.ErrNotExist); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the cause is lost")
	}
}

func TestExecuteTellsUsageFromFailure(t *testing.T) {
	failed := errors.New("it failed")
	tree := func() *cobra.Command {
		root := &cobra.Command{Use: "candor"}
		group := &cobra.Command{Use: "things", RunE: Group}
		group.AddCommand(&cobra.Command{Use: "make THING", Args: Args("THING"), RunE: func(*cobra.Command, []string) error { return failed }})
		root.AddCommand(group)
		root.SetOut(&bytes.Buffer{})
		Prepare(root)
		return root
	}
	told := Usage("make one", "there is no thing")
	root := tree()
	root.AddCommand(&cobra.Command{Use: "check", Args: func(*cobra.Command, []string) error { return told }, RunE: Group})
	if err := Execute(root, []string{"check"}); !errors.Is(err, told) {
		t.Errorf("an argument's own error came out as %v", err)
	}
	if err := Execute(tree(), []string{"things", "make", "x"}); !errors.Is(err, failed) {
		t.Errorf("a failure came out as %v", err)
	}
	if err := Execute(tree(), []string{"things"}); err != nil {
		t.Errorf("a group alone: %v", err)
	}
	for _, args := range [][]string{{"help"}, {"help", "things", "make"}} {
		if err := Execute(tree(), args); err != nil {
			t.Errorf("%v: %v", args, err)
		}
	}
	for _, tt := range []struct{ args, want string }{
		{"thigns", `unknown command "thigns" for "candor"; did you mean candor things?`},
		{"things mke", `unknown command "mke" for "candor things"; did you mean candor things make?`},
		{"things paint", `unknown command "paint" for "candor things"; candor things --help lists them`},
		{"things make", `THING is missing; candor things make --help says how it is used`},
		{"things make x y", `unexpected argument "y"; candor things make --help says how it is used`},
		{"help thigns", `unknown command "thigns" for "candor"; candor --help lists them`},
		{"help things paint", `unknown command "paint" for "candor things"; candor things --help lists them`},
		{"things make --fast x", `unknown flag: --fast; candor things make --help says how it is used`},
	} {
		err := Execute(tree(), strings.Fields(tt.args))
		var e *Error
		if !errors.As(err, &e) || e.Status != StatusUsage || err.Error() != tt.want {
			t.Errorf("candor %s: %v, want %s", tt.args, err, tt.want)
		}
	}
}

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"plain text, ünïcode 数":         "plain text, ünïcode 数",
		"\x1b[2J\x1b]0;owned\a":         `\x1b[2J\x1b]0;owned\a`,
		"two\nlines\ttab":               `two\nlines\ttab`,
		"right\u202eto left":            `right\u202eto left`,
		"not text \xff":                 `not text \xff`,
		"a replacement \uFFFD is text":  "a replacement \uFFFD is text",
		"zero\u200bwidth\u00a0no-break": `zero\u200bwidth\u00a0no-break`,
	} {
		if got := Plain(in); got != want {
			t.Errorf("Plain(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 400 * time.Millisecond: "0 s", 7 * time.Second: "7 s", 125 * time.Second: "2 min 5 s", 2 * time.Hour: "2 h",
		31*24*time.Hour + 4*time.Hour + time.Minute: "31 d 4 h", 400 * 24 * time.Hour: "1 y 35 d", -time.Minute: "-1 min",
	} {
		if got := Span(d); got != want {
			t.Errorf("Span(%v) = %q, want %q", d, got, want)
		}
	}
	for v, want := range map[float64]string{0.9: "0.90", 0.97: "0.97", 1: "1.00", 0.612345678: "0.612346", 0: "0.00"} {
		if got := Number(v); got != want {
			t.Errorf("Number(%v) = %q, want %q", v, got, want)
		}
	}
	if got := Count(1, "row") + ", " + Count(int64(2), "row"); got != "1 row, 2 rows" {
		t.Error(got)
	}
}

func TestEnum(t *testing.T) {
	if got := Enum(candorv1.ReviewState_REVIEW_STATE_PENDING); got != "PENDING" {
		t.Error(got)
	}
	if got := Enum(candorv1.Route(99)); got != "99" {
		t.Error(got)
	}
	if got, err := ParseEnum[candorv1.Route]("Fallback"); err != nil || got != candorv1.Route_ROUTE_FALLBACK {
		t.Error(got, err)
	}
	for _, name := range []string{"unspecified", "", "away"} {
		if _, err := ParseEnum[candorv1.Route](name); err == nil || !strings.Contains(err.Error(), "none of accept, fallback, defer, reject") {
			t.Errorf("ParseEnum(%q): %v", name, err)
		}
	}
}

// protojson puts in blanks at random, so that nobody depends on them. People's scripts and our tests do.
func TestJSONIsStable(t *testing.T) {
	m := &candorv1.ListLimitsResponse{Limits: []*candorv1.Limit{{Name: "limits/a", MaxCount: 5}}}
	var lines, pretty strings.Builder
	if err := JSONLine(&lines, m); err != nil {
		t.Fatal(err)
	}
	if strings.Count(lines.String(), "\n") != 1 || !strings.HasPrefix(lines.String(), `{"limits":[{"name":"limits/a",`) {
		t.Errorf("JSONLine: %s", lines.String())
	}
	if err := JSON(&pretty, m); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(pretty.String(), "{\n  \"limits\": [\n    {\n      \"name\": \"limits/a\",\n") || !strings.Contains(pretty.String(), `"tripped": false`) {
		t.Errorf("JSON: %s", pretty.String())
	}
}

func TestTable(t *testing.T) {
	var out strings.Builder
	if err := Table(&out, [][]string{{"NAME", "STATE", "BY"}, {"a\x1bb", "", "me"}, {"longer name", "open", ""}}); err != nil {
		t.Fatal(err)
	}
	want := "NAME         STATE  BY\na\\x1bb       -      me\nlonger name  open   -\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

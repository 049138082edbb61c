package importtest

import (
	"os"
	"strings"
	"testing"
)

// root of the repository, from this package's directory, where go test runs it.
const root = "../.."

func TestImports(t *testing.T) {
	mod, err := os.ReadFile(root + "/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(mod), "module "+module+"\n") {
		t.Fatalf("go.mod doesn't begin with module %s: this test would take every import for a library's", module)
	}
	files := readTree(t, root)
	seen := map[string]bool{}
	for _, f := range files {
		seen[f.dir] = true
	}
	for _, dir := range []string{"limits", "gateway", "gen/candor/v1", "internal/importtest"} {
		if !seen[dir] {
			t.Errorf("no Go file of %s was found: the tree isn't read", dir)
		}
	}
	for _, fault := range check(files) {
		t.Error(fault)
	}
}

func TestRoomsAreWellListed(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range rooms {
		if seen[r.path] {
			t.Errorf("%s is listed twice", r.path)
		}
		seen[r.path] = true
		if r.why == "" {
			t.Errorf("%s is listed without a reason", r.path)
		}
		if first, _ := roomOf(strings.TrimSuffix(r.path, "/...")); first.path != r.path {
			t.Errorf("%s is hidden by %s", r.path, first.path)
		}
	}
	for _, o := range owners {
		if o.why == "" {
			t.Errorf("the owner of %v has no reason", o.imports)
		}
		for _, path := range o.rooms {
			if !seen[path] {
				t.Errorf("owner of %v: %s is no room", o.imports, path)
			}
		}
	}
}

// TestRulesCatch: each rule finds the fault that it is there for, and lets pass what is right.
func TestRulesCatch(t *testing.T) {
	const own = module + "/"
	file := func(imports string, body ...string) string {
		return "package x\nimport (\n" + imports + "\n)\n" + strings.Join(body, "\n")
	}
	for name, c := range map[string]struct {
		path, text string
		want       string // part of the one fault; empty: none
	}{
		"unknown package":           {"util/x.go", file(""), "isn't in the list of rooms"},
		"unknown package, test":     {"util/x_test.go", file(""), "isn't in the list of rooms"},
		"file at the root":          {"x.go", file(""), "isn't in the list of rooms"},
		"prefix is no room":         {"routers/x.go", file(""), "isn't in the list of rooms"},
		"generated code":            {"gen/candor/v1/x.go", file(`"google.golang.org/grpc/status"; "` + own + `gen/inference"`), ""},
		"generated code upwards":    {"gen/candor/v1/x.go", file(`"` + own + `router"`), "only lower levels"},
		"downwards":                 {"gateway/x.go", file(`"` + own + `router"`), ""},
		"upwards":                   {"router/x.go", file(`"` + own + `review"`), "level 2"},
		"sideways":                  {"review/x.go", file(`"` + own + `backend"`), "only lower levels"},
		"sideways on level 1":       {"limits/x.go", file(`"` + own + `audit"`), "only lower levels"},
		"wire from level 2":         {"backend/x.go", file(`"` + own + `internal/wire"`), ""},
		"wire from level 1":         {"limits/x.go", file(`"` + own + `internal/wire"`), "only lower levels"},
		"test brings what it takes": {"router/x_test.go", file(`"` + own + `gateway"; "database/sql"`), ""},
		"gateway and a store":       {"gateway/x.go", file(`"` + own + `store/sqlite"`), "never sees a store"},
		"gateway and the pages":     {"gateway/x.go", file(`"` + own + `web"`), "never sees the pages"},
		"store and limits":          {"store/sqlite/x.go", file(`"` + own + `limits"`), ""},
		"nobody imports cmd":        {"gateway/x.go", file(`"` + own + `cmd/candor"`), "only lower levels"},
		"cmd wires":                 {"cmd/candor/x.go", file(`"` + own + `gateway"; "` + own + `store/sqlite"; "` + own + `examples/digits"`), ""},
		"fake in a program":         {"cmd/candor/x.go", file(`"` + own + `internal/oiptest"`), "_test.go files only"},
		"fake in a test":            {"backend/x_test.go", file(`"` + own + `internal/oiptest"`), ""},
		"gateway and an example":    {"gateway/x.go", file(`"` + own + `examples/digits"`), "level 5"},
		"example within":            {"examples/digits/train/x.go", file(`"` + own + `examples/digits"; "` + own + `gen/inference"`), ""},
		"example and a room":        {"examples/digits/x.go", file(`"` + own + `router"`), "users copy"},
		"example and a library":     {"examples/digits/x.go", file(`"github.com/spf13/cobra"`), "users copy"},
		"example serves and dials":  {"examples/digits/x.go", file(`"google.golang.org/grpc"; "google.golang.org/grpc/status"`, "var _ = grpc.NewClient"), ""},

		"pure and the standard library": {"limits/x.go", file(`"sync"; "go/ast"; "` + own + `gen/candor/v1"`), ""},
		"pure and gonum":                {"calibration/x.go", file(`"gonum.org/v1/gonum/stat/distuv"`), ""},
		"pure and a library":            {"router/x.go", file(`"github.com/google/uuid"`), "router imports the standard library"},
		"pure and grpc":                 {"limits/x.go", file(`"google.golang.org/grpc/codes"`), "limits imports the standard library"},
		"audit and proto":               {"audit/x.go", file(`"google.golang.org/protobuf/proto"`), ""},
		"limits and proto":              {"limits/x.go", file(`"google.golang.org/protobuf/proto"`), "limits imports the standard library"},

		"dial in backend":       {"backend/x.go", file(`"google.golang.org/grpc"`, "var _, _ = grpc.NewClient(``)"), ""},
		"dial elsewhere":        {"gateway/x.go", file(`"google.golang.org/grpc"`, "var _, _ = grpc.NewClient(``)"), "only backend dials"},
		"dial under a name":     {"fallback/x.go", file(`rpc "google.golang.org/grpc"`, "var dial = rpc.DialContext"), "only backend dials"},
		"grpc without dialling": {"gateway/x.go", file(`"google.golang.org/grpc"`, "var _ = grpc.NewServer()"), ""},
		"SQL in a driver":       {"store/sqlite/x.go", file(`"database/sql"; _ "modernc.org/sqlite"; "github.com/pressly/goose/v3"`), ""},
		"SQL elsewhere":         {"review/x.go", file(`"database/sql/driver"`), "only store/* knows SQL"},
		"SQL in cmd":            {"cmd/candor/x.go", file(`_ "modernc.org/sqlite"`), "only store/* knows SQL"},
		"raw bytes in wire":     {"internal/wire/x.go", file(`"google.golang.org/grpc/mem"; "google.golang.org/protobuf/encoding/protowire"`), ""},
		"raw bytes elsewhere":   {"gateway/x.go", file(`"google.golang.org/protobuf/encoding/protowire"`), "only internal/wire"},
		"buffers elsewhere":     {"backend/x.go", file(`"google.golang.org/grpc/mem"`), "only internal/wire"},
		"status in gateway":     {"gateway/x.go", file(`"google.golang.org/grpc/status"`), ""},
		"status elsewhere":      {"review/x.go", file(`"google.golang.org/grpc/status"`), "only gateway makes statuses"},

		"clock on level 1":           {"limits/x.go", file(`"time"`, "var start = time.Now()"), "reads no clock"},
		"clock as a value":           {"audit/x.go", file(`"time"`, "var clock = time.Now"), "reads no clock"},
		"clock under a name":         {"router/x.go", file(`t "time"`, "var _ = t.Since(t.Time{})"), "reads no clock"},
		"clock behind a dot":         {"router/x.go", file(`. "time"`, "var _ = Now()"), "with a dot"},
		"timer on level 1":           {"internal/wire/x.go", file(`"time"`, "var _ = time.NewTimer(1)"), "reads no clock"},
		"time as a value":            {"limits/x.go", file(`"time"`, "func at(t time.Time) time.Time { return t.Add(time.Second) }"), ""},
		"a method of the name":       {"limits/x.go", file("", "func at(c interface{ Now() int }) int { return c.Now() }"), ""},
		"clock on level 2":           {"backend/x.go", file(`"time"`, "var start = time.Now()"), ""},
		"clock in a test of level 1": {"limits/x_test.go", file(`"time"`, "var start = time.Now()"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := parse(c.path, []byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			faults := check([]source{f})
			switch {
			case c.want == "" && len(faults) == 0:
			case c.want == "":
				t.Errorf("found %q, want nothing", faults)
			case len(faults) != 1 || !strings.Contains(faults[0], c.want):
				t.Errorf("found %q, want one fault that says %q", faults, c.want)
			}
		})
	}
}

package gateway_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
)

// Every reason in the proto says which status code it comes with, is used by the gateway, and is used with that code only.
func TestErrorReasonsAreAsDocumented(t *testing.T) {
	documented := documentedReasons(t)
	used := map[string]bool{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	made := regexp.MustCompile(`errf\(\s*(codes\.\w+|[\w.]+), candorv1\.ErrorReason_ERROR_REASON_(\w+)`)
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range made.FindAllStringSubmatch(string(src), -1) {
			code, reason := m[1], m[2]
			used[reason] = true
			want, ok := documented[reason]
			if !ok {
				t.Errorf("%s: %s is not documented", f, reason)
				continue
			}
			if name, fixed := strings.CutPrefix(code, "codes."); fixed && want != "" && want != name {
				t.Errorf("%s: %s comes with %s, the proto says %s", f, reason, name, want)
			}
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(documented)) {
		if !used[reason] {
			t.Errorf("the proto documents %s, which nothing says", reason)
		}
	}
}

// documentedReasons reads the proto: reason -> name of the code; empty where the comment names none (the backend's own).
func documentedReasons(t *testing.T) map[string]string {
	t.Helper()
	src, err := os.ReadFile("../proto/candor/v1/error_reason.proto")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for c := codes.OK; c <= codes.Unauthenticated; c++ {
		// Canceled -> CANCELLED is the one that the protocol spells differently from Go.
		upper := regexp.MustCompile(`([a-z])([A-Z])`).ReplaceAllString(c.String(), "${1}_${2}")
		names[strings.Replace(strings.ToUpper(upper), "CANCELED", "CANCELLED", 1)] = c.String()
	}
	out := map[string]string{}
	var comment []string
	for line := range strings.Lines(string(src)) {
		line = strings.TrimSpace(line)
		if text, ok := strings.CutPrefix(line, "// "); ok {
			comment = append(comment, text)
			continue
		}
		if reason, ok := strings.CutPrefix(line, "ERROR_REASON_"); ok {
			reason, _, _ = strings.Cut(reason, " ")
			if reason != "UNSPECIFIED" {
				first := ""
				if len(comment) > 0 {
					first = strings.FieldsFunc(comment[0], func(r rune) bool { return r == ' ' || r == '.' })[0]
				}
				out[reason] = names[first]
				if names[first] == "" && reason != "BACKEND_ERROR" {
					t.Errorf("%s: its comment begins with %q, not with a status code", reason, first)
				}
			}
		}
		comment = nil
	}
	if len(out) < 20 {
		t.Fatalf("read %d reasons", len(out))
	}
	return out
}

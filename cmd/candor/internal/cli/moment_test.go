package cli

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A time that a command writes is one that a flag takes, whatever the zone that it came in.
func TestTimesGoBackIntoFlags(t *testing.T) {
	at := time.Date(2026, 3, 1, 1, 2, 3, 456_789_000, time.FixedZone("", 2*60*60))
	for _, tt := range []struct {
		text, want string
		exact      time.Duration
	}{
		{Time(at), "2026-02-28T23:02:03Z", time.Second},
		{ExactTime(at), "2026-02-28T23:02:03.456Z", time.Millisecond},
	} {
		if tt.text != tt.want {
			t.Errorf("%v was written as %s, want %s", at, tt.text, tt.want)
		}
		if got, err := Moment("--since", tt.text, time.Now()); err != nil || !got.Equal(at.Truncate(tt.exact)) {
			t.Errorf("%s was read as %v, %v", tt.text, got, err)
		}
	}
}

// No command has a form of its own for times.
func TestTimesAreWrittenInOnePlace(t *testing.T) {
	const program, place = "../..", "internal/cli/moment.go"
	files := 0
	err := fs.WalkDir(os.DirFS(program), ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") || name == place {
			return err
		}
		text, err := os.ReadFile(filepath.Join(program, name))
		if strings.Contains(string(text), ".Format(") {
			t.Errorf("%s formats a time by itself; call cli.Time or cli.ExactTime", name)
		}
		files++
		return err
	})
	if err != nil || files == 0 {
		t.Errorf("looked into %d files: %v", files, err)
	}
}

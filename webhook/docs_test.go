package webhook

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The table of attempts in the documentation is the one in the code.
func TestScheduleIsTheDocumentedOne(t *testing.T) {
	text, err := os.ReadFile("../docs/delivery.md")
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range schedule {
		row := regexp.MustCompile(fmt.Sprintf(`(?m)^\| %d \| (\S+) \|$`, i+2)).FindSubmatch(text)
		if row == nil {
			t.Errorf("docs/delivery.md has no attempt %d", i+2)
			continue
		}
		if said, err := time.ParseDuration(string(row[1])); err != nil || said != d {
			t.Errorf("docs/delivery.md says that attempt %d is made after %s (%v), it is %v", i+2, row[1], err, d)
		}
	}
	if next := fmt.Sprintf("\n| %d | ", MaxAttempts+1); strings.Contains(string(text), next) {
		t.Errorf("docs/delivery.md has attempts beyond %d", MaxAttempts)
	}
}

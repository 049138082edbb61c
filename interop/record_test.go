package interop_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
)

// record is the table of what was checked. It is safe for use from several goroutines.
type record struct {
	mu   sync.Mutex
	rows []recordRow
}

type recordRow struct {
	client, version, check string
	ok                     bool
	// saw is what the client saw, or what was wrong with it.
	saw string
}

// note adds a row, and fails the test if it tells of a failure.
func (r *record) note(t *testing.T, row recordRow) {
	t.Helper()
	r.mu.Lock()
	r.rows = append(r.rows, row)
	r.mu.Unlock()
	if !row.ok {
		t.Errorf("%s: %s", row.check, row.saw)
	}
}

// maxSaw keeps a line of the table readable; what was wrong is told in full by the test's failure.
const maxSaw = 110

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "client\tversion\tcheck\tresult\twhat was seen")
	failed := 0
	for _, row := range r.rows {
		result := "ok"
		if !row.ok {
			result = "FAILED"
			failed++
		}
		saw := strings.Join(strings.Fields(row.saw), " ")
		if runes := []rune(saw); len(runes) > maxSaw {
			saw = string(runes[:maxSaw]) + "…"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", row.client, row.version, row.check, result, saw)
	}
	// Writing to a strings.Builder can't fail.
	_ = tw.Flush()
	fmt.Fprintf(&b, "%d checks, %d failed\n", len(r.rows), failed)
	return b.String()
}

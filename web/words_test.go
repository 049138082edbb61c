package web

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestKeysOf(t *testing.T) {
	many := strings.Split("abcdefghijkl", "")
	for _, tt := range []struct{ labels, want []string }{
		{[]string{"ham", "spam"}, []string{"1", "2"}},
		{[]string{"0", "1", "2"}, []string{"0", "1", "2"}}, // never a position beside numbers
		{[]string{"9", "10", "x"}, []string{"9", "", ""}},
		{many, []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "0", "", ""}},
		{nil, []string{}},
	} {
		if diff := cmp.Diff(tt.want, keysOf(tt.labels)); diff != "" {
			t.Errorf("%v: %s", tt.labels, diff)
		}
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", time.Millisecond: "< 1 s", 7 * time.Second: "7 s", 125 * time.Second: "2 min 5 s", 12*time.Minute + 5*time.Second: "12 min",
		25*time.Hour + time.Minute: "1 d 1 h", 48 * time.Hour: "2 d", -3 * time.Second: "−3 s",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestPercentage(t *testing.T) {
	for x, want := range map[float64]string{0: "0 %", 1: "100 %", 0.5: "50 %", 0.9996: "99.96 %", 0.0004: "0.04 %"} {
		if got := percentage(x); got != want {
			t.Errorf("percentage(%v) = %q, want %q", x, got, want)
		}
	}
}

// What is shown of any text is all of it, and nothing of it is invisible.
func FuzzRuns(f *testing.F) {
	f.Add([]byte("a\u202eb\x00\xff\r\n\t\u2066"))
	f.Fuzz(func(t *testing.T, b []byte) {
		marks := 0
		var kept strings.Builder
		for _, r := range runs(b) {
			if r.Mark {
				marks++
				continue
			}
			kept.WriteString(r.Text)
		}
		if !utf8.ValidString(kept.String()) || strings.ContainsAny(kept.String(), "\x00\x1b\r\u202e\u2066\u200b\u200f") {
			t.Errorf("%q is shown as %q", b, kept.String())
		}
		if utf8.RuneCount(b) != utf8.RuneCountInString(kept.String())+marks {
			t.Errorf("%q has %d characters, shown are %d and %d marks", b, utf8.RuneCount(b), utf8.RuneCountInString(kept.String()), marks)
		}
	})
}

func FuzzTree(f *testing.F) {
	for _, s := range []string{`{"a":[1,{"b":null}],"a":"x"}`, `[[[[`, `1 2`, strings.Repeat("[", 100), "\"\xff\"", `{"a" 1}`, ""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		tr, err := treeOf(b)
		if err == nil && nodes(tr) > maxTreeNodes {
			t.Errorf("%d nodes are shown", nodes(tr))
		}
	})
}

func nodes(t tree) int {
	n := 1
	for _, c := range t.Children {
		n += nodes(c)
	}
	return n
}

func TestPictureOfTooManyBytes(t *testing.T) {
	if _, err := configOf(make([]byte, maxImageBytes+1)); err == nil || !strings.Contains(err.Error(), "MiB") {
		t.Errorf("%v", err)
	}
}

func TestTreeBounds(t *testing.T) {
	if _, err := treeOf([]byte(strings.Repeat("[", 40) + strings.Repeat("]", 40))); err == nil || !strings.Contains(err.Error(), "nested") {
		t.Errorf("a deep document: %v", err)
	}
	tr, err := treeOf([]byte("[" + strings.Repeat("1,", 5000) + "1]"))
	if err != nil || !tr.Left || len(tr.Children) >= 5000 {
		t.Errorf("a long document: %d values, %v", len(tr.Children), err)
	}
	if _, err := treeOf([]byte(`{} {}`)); err == nil {
		t.Error("two documents are one")
	}
	if _, err := treeOf(make([]byte, maxTreeBytes+1)); err == nil {
		t.Error("a huge document is read")
	}
}

package web

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// run is a piece of a text: as it is, or the name of a character that can't be seen as it is.
type run struct {
	Text string
	// Mark: Text is a name such as U+202E, and Title says what it is.
	Mark  bool
	Title string
}

// runs splits a text at the characters that don't show, or that change how others show: controls, bidirectional overrides,
// zero-width characters and bytes that are no UTF-8. What a person judges is then what is there. Tabs and line ends stay.
func runs(b []byte) []run {
	var out []run
	begin := 0
	flush := func(end int) {
		if end > begin {
			out = append(out, run{Text: string(b[begin:end])})
		}
	}
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if mark, title := markOf(r, n, b[i]); mark != "" {
			flush(i)
			out = append(out, run{Text: mark, Mark: true, Title: title})
			begin = i + n
		}
		i += n
	}
	flush(len(b))
	return out
}

// markOf names a character that is not to be shown as it is; empty: it may.
func markOf(r rune, size int, first byte) (mark, title string) {
	switch {
	case r == utf8.RuneError && size == 1:
		return fmt.Sprintf("%02X", first), "a byte that is no UTF-8"
	case r == '\n', r == '\t':
		return "", ""
	case r == '\r':
		return "CR", "carriage return"
	case r == '\u00ad':
		return "U+00AD", "soft hyphen"
	case unicode.Is(unicode.Cc, r):
		return fmt.Sprintf("U+%04X", r), "control character"
	case unicode.Is(unicode.Bidi_Control, r):
		return fmt.Sprintf("U+%04X", r), "character that changes the direction of text"
	case unicode.Is(unicode.Cf, r), unicode.Is(unicode.Variation_Selector, r) && r >= 0xE0100:
		return fmt.Sprintf("U+%04X", r), "invisible character"
	case r == '\u2028', r == '\u2029':
		return fmt.Sprintf("U+%04X", r), "line separator"
	case unicode.Is(unicode.Co, r):
		return fmt.Sprintf("U+%04X", r), "character of private use"
	}
	return "", ""
}

// marks is runs of a string, for templates: names, notes and labels.
func marks(s string) []run { return runs([]byte(s)) }

// plain is a text for places that hold text alone, such as titles: what runs would mark stands in brackets.
func plain(s string) string {
	var b strings.Builder
	for _, r := range marks(s) {
		if r.Mark {
			b.WriteString("[" + r.Text + "]")
		} else {
			b.WriteString(r.Text)
		}
	}
	return b.String()
}

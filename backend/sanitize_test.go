package backend

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestSanitize(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"plain", "probabilities sum to 1.25", "probabilities sum to 1.25"},
		{"lines", "a\n\tb\r\n\x00c\x1b[31m", "a b c [31m"},
		{"not UTF-8", "a\xffb", "a�b"},
		{
			"a refused connection", `connection error: desc = "transport: Error while dialing: dial tcp 10.1.2.3:8001: connect: connection refused"`,
			`dial tcp [address]: connect: connection refused`,
		},
		{"both ends", "read tcp 10.0.0.1:5000->10.0.0.2:9000: reset", "read tcp [address]->[address]: reset"},
		{"version 6", "dial [::1]:8001, fe80::1 and 2001:db8::7.", "dial [address], [address] and [address]."},
		{"a peer of gRPC C++", "peer: ipv4:10.0.0.1:443;", "peer: [address];"},
		{"our own host", "lookup triton on 10.0.0.2:53: no such host triton", "lookup [address] on [address]: no such host [address]"},
		{"a name with a port", "cannot reach (db.internal:5432)", "cannot reach ([address])"},
		{"a link", "see http://10.0.0.1/x?a=b", "see [address]=b"},
		{"a path", `File "/opt/models/digits/1/model.py", line 3`, `File "[path]", line 3`},
		{"no address", "std::bad_alloc at 12:30, shape 1:128, ratio 3/4 of N/A", "std::bad_alloc at 12:30, shape 1:128, ratio 3/4 of N/A"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := sanitize(test.in, hosts{"triton"}); got != test.want {
				t.Errorf("\n got %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestSanitizeCuts(t *testing.T) {
	got := sanitize(strings.Repeat("ä", 500), nil)
	if len(got) > maxMessage || len(got) < maxMessage-5 || !utf8.ValidString(got) || !strings.HasSuffix(got, "…") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}

func FuzzSanitize(f *testing.F) {
	f.Add("dial tcp 10.1.2.3:8001: connect: connection refused", "triton")
	f.Add("\xff[::1]:\n/a/b", "")
	f.Fuzz(func(t *testing.T, text, host string) {
		got := sanitize(text, hosts{host})
		if len(got) > maxMessage || !utf8.ValidString(got) {
			t.Errorf("%d bytes: %q", len(got), got)
		}
		if strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("more than a line of text: %q", got)
		}
	})
}

package backend

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxMessage bounds a Failure's message: it travels in trailers and lies in every record.
const maxMessage = 160

// sanitize makes one line of at most maxMessage bytes of what a model server, a driver or gRPC said. Addresses (own are the
// backend's) and file paths are taken out: callers have no business knowing them.
func sanitize(text string, own hosts) string {
	text = unwrapped(text)
	var b strings.Builder
	for word := range strings.FieldsSeq(strings.Map(printable, strings.ToValidUTF8(text, "�"))) {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(hide(word, own))
		// A little more than is kept, so that cutting below sees that there was more.
		if b.Len() > 2*maxMessage {
			break
		}
	}
	return cut(b.String(), maxMessage)
}

// dialing is how grpc-go wraps a connection that didn't come about: its words are for those who know its source.
const dialing = `connection error: desc = "transport: Error while dialing: `

// unwrapped takes grpc-go's wrapping off a failed dial: what is left ("dial tcp 10.1.2.3:8001: connect: connection refused") says
// all.
func unwrapped(text string) string {
	if rest, ok := strings.CutPrefix(text, dialing); ok {
		return strings.TrimSuffix(rest, `"`)
	}
	return text
}

func printable(r rune) rune {
	if !unicode.IsPrint(r) {
		return ' '
	}
	return r
}

// hide replaces addresses and paths within one word, keeping the punctuation around them.
func hide(word string, own hosts) string {
	var b strings.Builder
	for len(word) > 0 {
		n := strings.IndexFunc(word, isSeparator)
		if n < 0 {
			n = len(word)
		}
		b.WriteString(hideToken(word[:n], own))
		word = word[n:]
		if len(word) > 0 {
			_, size := utf8.DecodeRuneInString(word)
			b.WriteString(word[:size])
			word = word[size:]
		}
	}
	return b.String()
}

func isSeparator(r rune) bool { return strings.ContainsRune(`"'`+"`"+`(){}<>,;=|`, r) }

func hideToken(token string, own hosts) string {
	// "10.0.0.1:5000->" of Go's network errors ends in a dash here, because > separates.
	core := strings.TrimRight(token, ":.-!?")
	switch {
	case core == "":
		return token
	case isAddress(core, own):
		return "[address]" + token[len(core):]
	case isPath(core):
		return "[path]" + token[len(core):]
	}
	return token
}

func isAddress(s string, own hosts) bool {
	for _, scheme := range []string{"ipv4:", "ipv6:", "unix:", "dns:"} {
		if strings.HasPrefix(s, scheme) {
			return true
		}
	}
	if strings.Contains(s, "://") || strings.EqualFold(s, "localhost") || own.has(s) {
		return true
	}
	if _, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return true
	}
	name, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return false
	}
	_, err = netip.ParseAddr(name)
	return err == nil || strings.Contains(name, ".") || strings.EqualFold(name, "localhost") || own.has(name)
}

// isPath: an absolute path of at least two elements, on Unix or Windows.
func isPath(s string) bool {
	if strings.HasPrefix(s, "/") {
		return strings.Contains(s[1:], "/")
	}
	return len(s) > 3 && s[1] == ':' && s[2] == '\\'
}

// cut shortens s to at most n bytes, on a rune's border, with a mark.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	const mark = "…"
	n -= len(mark)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.TrimRight(s[:n], " ") + mark
}

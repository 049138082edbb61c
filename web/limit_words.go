package web

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
)

// keysPath is between the name of a limit and a key of it.
const keysPath = "/keys/"

// limitName is the limit that a request's path names, as behind limits/.
func limitName(r *http.Request) string {
	key := r.PathValue("key")
	if key == "" {
		return r.PathValue("name")
	}
	if dots := strings.ReplaceAll(key, encodedDot, "."); dots == "." || dots == ".." {
		key = dots
	}
	return r.PathValue("name") + keysPath + key
}

// encodedDot is in no name: a key's dots stand as they are.
const encodedDot = "%2E"

// limitPath is the inverse of limitName, for links. A key is percent-encoded in its name already, and is encoded again: it is one
// segment, whatever it holds. Browsers take . and .. for steps in a path, which lead to another limit, so their dots are encoded as well.
func limitPath(name string) string {
	limit, key, keyed := strings.Cut(idOf(name), keysPath)
	if !keyed {
		return limit
	}
	if key == "." || key == ".." {
		key = strings.ReplaceAll(key, ".", encodedDot)
	}
	return limit + keysPath + url.PathEscape(key)
}

// limitTag is a limit's name, bounded: it ends request ids, which are.
func limitTag(name string) string {
	const longest, begin, digest = 63, 30, 8
	if len(name) <= longest {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return name[:begin] + "~" + hex.EncodeToString(sum[:digest])
}

// counts says that a limit bounds something; a stop and a limit that is no longer configured don't.
func counts(l *candorv1.Limit) bool {
	return l.GetMaxCount() > 0 || l.GetKind() == candorv1.LimitKind_LIMIT_KIND_RATIO
}

// boundWords say what a limit allows in a window.
func boundWords(l *candorv1.Limit) string {
	out := "at most " + limits.Words(l.GetMaxCount(), l.GetUnit())
	if l.GetKind() == candorv1.LimitKind_LIMIT_KIND_RATIO {
		of := "all answers"
		if actions := l.GetDenominator(); len(actions) > 0 {
			of = strings.Join(actions, " + ")
		}
		out = fmt.Sprintf("at most %s of %s (%s at least)", percentage(l.GetMaxShare()), of, limits.Words(l.GetMinCount(), ""))
	}
	if l.GetKey() != "" && l.GetKeyValue() == "" {
		out += " for each " + l.GetKey()
	}
	return out
}

// usedShare is the share that a ratio's numerators come to, of as many answers as it counts at least.
func usedShare(l *candorv1.Limit) string {
	return percentage(float64(l.GetUsed()-l.GetLeased()) / float64(max(l.GetDenominatorCount(), l.GetMinCount(), 1)))
}

// tripWords are a trip's numbers: what had been released of what may be, and what didn't fit. Empty: the entry is of no trip.
func tripWords(e *candorv1.LimitHistory) string {
	if e.GetMaxCount() == 0 {
		return ""
	}
	out := limits.PartWords(e.GetCount(), e.GetMaxCount(), e.GetUnit())
	if e.GetDenominator() > 0 {
		out += " among " + count(e.GetDenominator(), "answer")
	}
	if e.GetAmount() > 0 {
		out += ", and " + limits.Words(e.GetAmount(), e.GetUnit()) + " more"
	}
	return out
}

// keyRow is one key of a limit, as the limit's own page lists it.
type keyRow struct {
	*candorv1.LimitKeyUse
	Path string
	// Class of its bar.
	Class string
}

func keyRowsOf(l *candorv1.Limit) []keyRow {
	var out []keyRow
	for _, k := range l.GetKeys().GetLargest() {
		out = append(out, keyRow{k, limitPath(k.GetName()), useClass(k.GetTripped(), k.GetUsed(), k.GetBound())})
	}
	return out
}

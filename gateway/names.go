package gateway

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// enumPrefixes are what buf's style puts before the values of an enum; people read and write the rest.
var enumPrefixes = []string{
	"ROUTE_", "MODE_", "REASON_", "ANSWER_STATE_", "STEP_KIND_", "FAILURE_SOURCE_", "REVIEW_STATE_", "RELEASE_STATE_",
	"CONFIDENCE_METHOD_", "SCORE_KIND_", "BREAKER_STATE_", "EXPIRE_ACTION_", "LIMIT_EVENT_",
}

// short is an enum value's name without its enum's.
func short(name string) string {
	for _, p := range enumPrefixes {
		if rest, ok := strings.CutPrefix(name, p); ok {
			return rest
		}
	}
	return name
}

func digestText(d []byte) string { return hex.EncodeToString(d) }

func count(n int) string { return strconv.Itoa(n) }

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

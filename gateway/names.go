package gateway

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// enumPrefixes are what buf's style puts before the values of an enum; people read and write the rest.
var enumPrefixes = []string{
	"ROUTE_", "MODE_", "REASON_", "ANSWER_STATE_", "STEP_KIND_", "FAILURE_SOURCE_", "REVIEW_STATE_", "RELEASE_STATE_",
	"CONFIDENCE_METHOD_", "SCORE_KIND_", "BREAKER_STATE_", "EXPIRE_ACTION_", "LIMIT_EVENT_", "MONITOR_KIND_",
	"CERTIFICATE_STATUS_", "CERTIFICATE_EVENT_",
	"UNCERTAINTY_KIND_",
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

// Short names of the enums that every call tells, made once: asking the generated code walks its descriptor.
var (
	routeNames  = shortNames(candorv1.Route_name)
	reasonNames = shortNames(candorv1.Reason_name)
	stateNames  = shortNames(candorv1.AnswerState_name)
	modeNames   = shortNames(candorv1.Mode_name)

	scoreKindNames       = shortNames(candorv1.ScoreKind_name)
	uncertaintyKindNames = shortNames(candorv1.UncertaintyKind_name)
)

func routeName(r candorv1.Route) string       { return routeNames[int32(r)] }
func reasonName(r candorv1.Reason) string     { return reasonNames[int32(r)] }
func stateName(s candorv1.AnswerState) string { return stateNames[int32(s)] }
func modeName(m candorv1.Mode) string         { return modeNames[int32(m)] }

// shortNames are the short names of an enum by number.
func shortNames(names map[int32]string) map[int32]string {
	out := make(map[int32]string, len(names))
	for n, name := range names {
		out[n] = short(name)
	}
	return out
}

func digestText(d []byte) string { return hex.EncodeToString(d) }

func count(n int) string { return strconv.Itoa(n) }

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

package explain

import candorv1 "github.com/candor-gateway/candor/gen/candor/v1"

// meanings are the reasons in plain words.
var meanings = map[candorv1.Reason]string{
	candorv1.Reason_REASON_UNSPECIFIED:             "no reason was recorded",
	candorv1.Reason_REASON_CONFIDENT:               "the model was sure enough: its confidence reached the policy's threshold",
	candorv1.Reason_REASON_LOW_CONFIDENCE:          "not sure enough: the confidence stayed below the policy's threshold",
	candorv1.Reason_REASON_NO_CONFIDENCE_SIGNAL:    "nothing says how sure the answer is: the policy has no threshold, or the card declares no score",
	candorv1.Reason_REASON_CONTRACT_FAILURE:        "the answer broke the model's card: a number that can't be, or another shape, type or version",
	candorv1.Reason_REASON_BACKEND_FAILURE:         "the model server failed",
	candorv1.Reason_REASON_BREAKER_OPEN:            "the model server had failed too often and was not called: its breaker is open",
	candorv1.Reason_REASON_DEADLINE:                "the model server used up its share of the deadline",
	candorv1.Reason_REASON_OVERLOAD:                "the model server, or our bound on calls to it, was full",
	candorv1.Reason_REASON_QUORUM_MISSED:           "fewer members of the ensemble answered than its quorum",
	candorv1.Reason_REASON_MEMBER_MISSING:          "a member of the ensemble was missing; the rest answered",
	candorv1.Reason_REASON_FALLBACK_EXHAUSTED:      "no fallback stage had an answer",
	candorv1.Reason_REASON_REMEDIAL:                "the stage after the ensemble answered",
	candorv1.Reason_REASON_LIMIT_TRIPPED:           "an action limit has tripped and withheld the answer; an operator can reset it (candor limits list)",
	candorv1.Reason_REASON_LIMIT_UNAVAILABLE:       "the limit's own state could not be stored, so that the answer was withheld",
	candorv1.Reason_REASON_LIMIT_INPUT_INVALID:     "what a limit sums, or is split by, was missing in the request or could not be one: nothing has tripped",
	candorv1.Reason_REASON_ABSTAINED:               "a model said that it has no usable answer",
	candorv1.Reason_REASON_NO_REVIEW:               "the policy has no review queue to turn to",
	candorv1.Reason_REASON_UNCERTIFIED:             "the policy promises an error rate, and no certificate has earned a threshold here yet, or it was taken back, or the call has more rows than the promise's max_rows",
	candorv1.Reason_REASON_CERTIFICATE_STALE:       "the certificate's verdicts are overdue or missing, and the policy accepts nothing on old evidence",
	candorv1.Reason_REASON_CERTIFICATE_UNAVAILABLE: "the certificates could not be read, so that nothing counted as certified",
	candorv1.Reason_REASON_DISAGREEMENT:            "members of the ensemble that must agree did not",
	candorv1.Reason_REASON_AUDIT:                   "the coin chose the row to be judged, whatever its route",
	candorv1.Reason_REASON_REVIEW_CAPACITY:         "reviewers could not have judged it before its deadline, or their day's budget is for rows that lose more",
	candorv1.Reason_REASON_CONDITION:               "a condition of the policy holds, or could not be computed, which counts as much",
	candorv1.Reason_REASON_VERDICT:                 "a person answered",
	candorv1.Reason_REASON_APPEAL:                  "somebody disputes the answer that it had",
	candorv1.Reason_REASON_MODEL_REPLACED:          "its model was replaced before anybody judged it",
	candorv1.Reason_REASON_SUPERSEDED:              "a senior replaced the answer that was final",
	candorv1.Reason_REASON_REVIEW_EXPIRED:          "nobody answered before the review's deadline; the policy's default was taken",
}

// inPlainWords says what a reason means. One that a newer gateway has added is only named.
func inPlainWords(r candorv1.Reason) string {
	if m, ok := meanings[r]; ok {
		return m
	}
	return "a reason that this version of candor doesn't know"
}

package limits

import (
	"encoding/hex"
	"strings"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// What stores write into a limit's history and into the decision log, so that all write the same.

// TripEvent is the entry of a trip, or of a stop.
func TripEvent(t Trip) Event {
	e := Event{
		Event: candorv1.LimitEvent_LIMIT_EVENT_TRIPPED, At: t.At, By: t.By, Reason: t.Reason, TripID: t.ID, Count: t.Count, MaxCount: t.MaxCount,
		Amount: t.Amount, Unit: t.Unit, Denominator: t.Denominator, PredictionID: t.PredictionID,
	}
	switch {
	case t.By != "":
		e.Event = candorv1.LimitEvent_LIMIT_EVENT_STOPPED
	case t.DryRun:
		e.Event = candorv1.LimitEvent_LIMIT_EVENT_DRY_RUN
	}
	return e
}

// AskEvent is the entry of a reset that was asked for.
func AskEvent(a Ask, trip string) Event {
	return Event{
		Event: candorv1.LimitEvent_LIMIT_EVENT_RESET_ASKED, At: a.At, By: a.By, Reason: a.Reason, TripID: trip, Expires: a.Expires,
	}
}

// ResetEvent is the entry of a reset.
func ResetEvent(r Reset) Event {
	return Event{
		Event: candorv1.LimitEvent_LIMIT_EVENT_RESET, At: r.At, By: r.By, Reason: r.Reason, TripID: r.TripID, AskedBy: r.AskedBy, Probation: r.Probation,
	}
}

// AckEvent is the entry of an acknowledgement.
func AckEvent(a Acknowledgement, trip string) Event {
	return Event{Event: candorv1.LimitEvent_LIMIT_EVENT_ACKNOWLEDGED, At: a.At, By: a.By, Reason: a.Note, TripID: trip}
}

// Reset is what a confirmation comes to, of a reset that somebody asked for with a reason.
func (c Confirmation) Reset(askedBy, reason string) Reset {
	return Reset{
		Limit: c.Limit, By: c.By, Reason: reason, RequestID: c.RequestID, At: c.At, AskedBy: askedBy, Probation: c.Probation,
	}
}

// Record is the entry in the decision log.
func (e Event) Record(limit string) *candorv1.Record {
	r := &candorv1.LimitRecord{
		Limit: limit, Event: e.Event, By: e.By, Reason: e.Reason, Count: e.Count, MaxCount: e.MaxCount, PredictionId: idBytes(e.PredictionID),
		AskedBy: e.AskedBy, ProbationSharePpm: e.Probation.SharePPM, Amount: e.Amount, Unit: e.Unit, Denominator: e.Denominator, Key: KeyOf(limit),
	}
	if !e.Probation.Until.IsZero() {
		r.ProbationUntilUs = e.Probation.Until.UnixMicro()
	}
	if !e.Expires.IsZero() {
		r.ExpireTimeUs = e.Expires.UnixMicro()
	}
	return &candorv1.Record{TimeUs: e.At.UnixMicro(), Entry: &candorv1.Record_Limit{Limit: r}}
}

// idBytes answers the 16 bytes of a UUID; nil: the text is none.
func idBytes(id string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
	if err != nil || len(b) != 16 {
		return nil
	}
	return b
}

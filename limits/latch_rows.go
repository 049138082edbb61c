package limits

import (
	"errors"
	"fmt"
	"time"
)

// LatchRows are the stored latches inside of one transaction of a store. What people do about a latch is decided over them, by the
// methods Apply of Reset, Ask, Confirmation and Acknowledgement, so that all stores decide the same. Its errors are the store's, and end
// the transaction.
type LatchRows interface {
	// Latched locks the limit's latch until the end of the transaction, and answers the trip that holds; empty: none.
	Latched(limit string) (trip string, err error)
	// ResetKnown says whether a reset by this request was stored; AskKnown the same of an Ask.
	ResetKnown(limit, request string) (bool, error)
	AskKnown(limit, request string) (bool, error)
	// PendingAsk answers an ask about the trip that can be confirmed at now: the one of this request, or, where that is empty, any. Its By
	// is empty where there is none; By and Reason are all that has to be filled in.
	PendingAsk(limit, trip, request string, now time.Time) (Ask, error)
	// Release ends the latch, and stores the reset; r.TripID is the trip.
	Release(r Reset) error
	StoreAsk(a Ask, trip string) error
	// StoreAck stores who looks after a trip; first is false, and nothing changes, where somebody does already.
	StoreAck(a Acknowledgement, trip string) (first bool, err error)
	// Append adds an entry to the limit's history and its record to the log.
	Append(limit string, e Event) error
}

// required answers an error that names the first of fields that is empty.
func required(what string, fields ...field) error {
	for _, f := range fields {
		if f.value == "" {
			return fmt.Errorf("a %s has a %s", what, f.name)
		}
	}
	return nil
}

// Apply is Store.Reset.
func (r Reset) Apply(rows LatchRows) error {
	if err := required("reset", field{"limit", r.Limit}, field{"author", r.By}, field{"reason", r.Reason}, field{"request id", r.RequestID}); err != nil {
		return err
	}
	trip, done, err := lifted(rows, r.Limit, r.RequestID)
	if err != nil || done {
		return err
	}
	return r.release(rows, trip)
}

// lifted says whether the request has released a latch before, and otherwise answers the trip that holds. Errors: ErrNotTripped.
func lifted(rows LatchRows, limit, request string) (trip string, done bool, err error) {
	if trip, err = rows.Latched(limit); err != nil {
		return "", false, fmt.Errorf("find the latch of %s: %w", limit, err)
	}
	if done, err = rows.ResetKnown(limit, request); err != nil {
		return "", false, fmt.Errorf("find a reset of %s: %w", limit, err)
	}
	if trip == "" && !done {
		err = ErrNotTripped
	}
	return trip, done, err
}

func (r Reset) release(rows LatchRows, trip string) error {
	r.TripID = trip
	if err := rows.Release(r); err != nil {
		return fmt.Errorf("release the latch of %s: %w", r.Limit, err)
	}
	return rows.Append(r.Limit, ResetEvent(r))
}

// Apply is Latches.AskReset.
func (a Ask) Apply(rows LatchRows) error {
	if err := required("reset that is asked for", field{"limit", a.Limit}, field{"author", a.By}, field{"reason", a.Reason}, field{"request id", a.RequestID}); err != nil {
		return err
	}
	trip, err := rows.Latched(a.Limit)
	if err != nil {
		return fmt.Errorf("find the latch of %s: %w", a.Limit, err)
	}
	switch known, err := rows.AskKnown(a.Limit, a.RequestID); {
	case err != nil:
		return fmt.Errorf("find who asked for a reset of %s: %w", a.Limit, err)
	case known:
		return nil
	case trip == "":
		return ErrNotTripped
	}
	switch other, err := rows.PendingAsk(a.Limit, trip, "", a.At); {
	case err != nil:
		return fmt.Errorf("find who asked for a reset of %s: %w", a.Limit, err)
	case other.By != "":
		return ErrPending
	}
	if err := rows.StoreAsk(a, trip); err != nil {
		return fmt.Errorf("store who asked for a reset of %s: %w", a.Limit, err)
	}
	return rows.Append(a.Limit, AskEvent(a, trip))
}

// Apply is Latches.ConfirmReset.
func (c Confirmation) Apply(rows LatchRows) error {
	if err := required("confirmation", field{"limit", c.Limit}, field{"author", c.By}, field{"request id of what was asked", c.Asked}, field{"request id", c.RequestID}); err != nil {
		return err
	}
	trip, done, err := lifted(rows, c.Limit, c.RequestID)
	if err != nil || done {
		return err
	}
	asked, err := rows.PendingAsk(c.Limit, trip, c.Asked, c.At)
	switch {
	case err != nil:
		return fmt.Errorf("find who asked for a reset of %s: %w", c.Limit, err)
	case asked.By == "":
		return ErrNotAsked
	case asked.By == c.By:
		return ErrSamePerson
	}
	return c.Reset(asked.By, asked.Reason).release(rows, trip)
}

// Apply is Latches.AcknowledgeTrip.
func (a Acknowledgement) Apply(rows LatchRows) error {
	if err := required("acknowledgement", field{"limit", a.Limit}, field{"author", a.By}); err != nil {
		return err
	}
	if a.At.IsZero() {
		return errors.New("an acknowledgement has a time")
	}
	trip, err := rows.Latched(a.Limit)
	switch {
	case err != nil:
		return fmt.Errorf("find the latch of %s: %w", a.Limit, err)
	case trip == "":
		return ErrNotTripped
	}
	first, err := rows.StoreAck(a, trip)
	if err != nil {
		return fmt.Errorf("store who looks after %s: %w", a.Limit, err)
	}
	if !first {
		return nil
	}
	return rows.Append(a.Limit, AckEvent(a, trip))
}

// Check refuses a claim that names no message.
func (c AlertClaim) Check() error {
	return required("claim of an alert", field{"trip", c.Trip}, field{"receiver", c.Receiver})
}

// Delivered is when the receiver took the message; zero: it didn't.
func (r AlertResult) Delivered() time.Time {
	if r.Error != "" {
		return time.Time{}
	}
	return r.Now
}

package limits

import (
	"context"
	"errors"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Errors of resets that take two people.
var (
	// ErrNotAsked: there is no such reset to confirm, or it has expired.
	ErrNotAsked = errors.New("limits: nobody has asked for this reset, or it has expired")
	// ErrSamePerson: who asked doesn't confirm.
	ErrSamePerson = errors.New("limits: who asked for a reset doesn't confirm it")
	// ErrPending: another reset of the limit waits to be confirmed.
	ErrPending = errors.New("limits: a reset of the limit waits to be confirmed")
)

// Latches is the part of a Store about what happens at and after a trip. The rules of Store hold.
type Latches interface {
	// Latched is Load without the leases, of the limits that are latched or were reset, and of those without a key. It is asked often:
	// many keys that aren't latched must not make it slow.
	Latched(ctx context.Context) (map[string]State, error)
	// AskReset stores that somebody wants the latch released, and appends a LimitRecord. The first of those that have not expired at
	// Ask.At stands. A second call with the same RequestID for the limit answers nil and changes nothing. Errors: ErrNotTripped,
	// ErrPending.
	AskReset(ctx context.Context, a Ask) error
	// ConfirmReset releases the latch that c.Asked wants released, in one transaction with the check of who asked and whether that
	// has expired at c.At, as Reset does: LastReset is then by the one who confirms. A second call with the same RequestID answers nil
	// and changes nothing. Errors: ErrNotTripped, ErrNotAsked, ErrSamePerson.
	ConfirmReset(ctx context.Context, c Confirmation) error
	// AcknowledgeTrip notes who looks after the latched trip, and appends a LimitRecord; of a trip that somebody looks after already
	// nothing changes. Errors: ErrNotTripped.
	AcknowledgeTrip(ctx context.Context, a Acknowledgement) error
	// LimitEvents answers up to n entries of a limit's history with a position below before (0: all), the newest first. Each was
	// stored together with its LimitRecord.
	LimitEvents(ctx context.Context, limit string, before int64, n int) ([]Event, error)

	// LatchesChanged answers a channel that is closed when an entry is added to some limit's history next, by whichever Gate: as soon
	// as the store hears of it, and not at all if that gets lost. So it only tells when a look is worth while, now.
	LatchesChanged() <-chan struct{}

	// OpenAlerts answers trips that somebody may still have to be told of, oldest first: all until CloseAlert.
	OpenAlerts(ctx context.Context) ([]Alert, error)
	// ClaimAlert takes a message for an attempt. Of all who want it one gets it: ok is false when it isn't due at c.Now, and where a reset has come
	// meanwhile: before c.From, of a trip that the receiver was told nothing of; or whenever, of one that they have been told of. It isn't due
	// again before c.Until. attempt counts from 1.
	ClaimAlert(ctx context.Context, c AlertClaim) (attempt int, ok bool, err error)
	// FinishAlert stores what came of an attempt, unless a later one has begun.
	FinishAlert(ctx context.Context, r AlertResult) error
	// CloseAlert says that nobody has to be told of the trip any more. An id that nobody knows is no error.
	CloseAlert(ctx context.Context, trip string) error
}

// Ask is one person's wish to release a latch, which another has to confirm.
type Ask struct {
	Limit     string
	By        string
	Reason    string
	RequestID string
	At        time.Time
	// Expires is the last moment at which it can be confirmed.
	Expires time.Time
}

// Pending says whether it can be confirmed at now.
func (a Ask) Pending(now time.Time) bool { return a.RequestID != "" && !now.After(a.Expires) }

// Confirmation releases a latch that another person asked to release.
type Confirmation struct {
	Limit string
	// Asked is the RequestID of the Ask.
	Asked     string
	By        string
	RequestID string
	At        time.Time
	Probation Probation
}

// Probation is the time after a reset in which less is released. The zero Probation is none.
type Probation struct {
	// SharePPM of the limit holds, parts per million, 1 to 1,000,000; 0: there is none.
	SharePPM uint32
	// Until is its end.
	Until time.Time
}

// Acknowledgement says who looks after a trip.
type Acknowledgement struct {
	Limit string
	By    string
	Note  string
	At    time.Time
}

// Event is an entry of a limit's history; fields as in candor.v1.LimitRecord.
type Event struct {
	// Position rises.
	Position int64
	Event    candorv1.LimitEvent
	At       time.Time
	By       string
	Reason   string
	// TripID of the trip that it is about; empty: not known.
	TripID          string
	Count, MaxCount int64
	// Amount, Unit and Denominator of a Trip.
	Amount       int64
	Unit         string
	Denominator  int64
	PredictionID string
	AskedBy      string
	Probation    Probation
	// Expires of an Ask.
	Expires time.Time
}

// Alert is a trip that receivers are told of.
type Alert struct {
	Trip Trip
	// Ack is zero until somebody acknowledges.
	Ack Acknowledgement
	// Latched until it is reset; then Reset says how.
	Latched bool
	Reset   Reset
	// Messages that an attempt was made for.
	Messages []AlertMessage
}

// AlertMessage is what one receiver is told once.
type AlertMessage struct {
	// Receiver is its name in the limit's configuration.
	Receiver string
	// Resolved: that the trip was reset; otherwise that it is.
	Resolved bool
	Attempts int
	// Due is when it may be sent (again); zero: never.
	Due time.Time
	// Delivered is zero until the receiver has taken it.
	Delivered time.Time
	// Error of the last attempt; empty: it worked.
	Error string
}

// AlertClaim takes a message for an attempt that ends before Until.
type AlertClaim struct {
	Trip       string
	Receiver   string
	Resolved   bool
	Now, Until time.Time
	// From is when it became the turn of a receiver who is told only while nobody has seen to the trip; zero: they are told at once.
	From time.Time
}

// AlertResult is what came of an attempt.
type AlertResult struct {
	Trip     string
	Receiver string
	Resolved bool
	Attempt  int
	Now      time.Time
	// Error is empty when the receiver has taken it.
	Error string
	// Next attempt; zero: none.
	Next time.Time
}

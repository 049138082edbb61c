package limits

import (
	"context"
	"errors"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// ErrNotTripped: Reset of a limit that holds nothing back.
var ErrNotTripped = errors.New("limits: the limit is not tripped")

// Store keeps what must outlive the process: leases (permits deducted before they are used), latches and resets. Every
// method is atomic and durable (synchronous=FULL or its like) when it returns nil; any error means that the effect is
// unknown, and the Gate then withholds. Safe for concurrent use. Conformance: store/storetest.
type Store interface {
	// Shared says whether gateways elsewhere may use the store at the same time. Then it decides what is granted, by
	// Account.Decide; a store that only one Gate uses keeps what it is told.
	Shared() bool
	// Load answers the stored state of every limit that has any, by name. Leases whose window has passed (Until+window <
	// now) may be left out.
	Load(ctx context.Context) (map[string]State, error)
	// Declared answers what limits count by their names, as Declare noted it, of all gateways. It is asked for before anything else.
	Declared(ctx context.Context) (map[string]string, error)
	// Declare notes what limits count, by their names: Definition.Counts. What was noted before stays; where that is something else, nothing is
	// noted, and the error is a *CountsError. It is the last of what a new definition needs, and no permit of a new limit is leased before.
	Declare(ctx context.Context, counts map[string]string) error
	// Lease settles an earlier lease, when r.Settled isn't nil, and grants a new one, in one transaction. A settled lease of
	// Count 0 may be deleted; one that isn't there any more is no error. A request for 0 permits only carries the settlement.
	Lease(ctx context.Context, r LeaseRequest) (Grant, error)
	// Trip latches the limit and stores the alert (see Latches) and the decision log's LimitRecord, once: first is false, and nothing
	// changes, when it was latched before. A dry-run trip is stored and latched in the same way, so that it's reported once;
	// that it holds nothing is the Gate's affair.
	Trip(ctx context.Context, t Trip) (first bool, err error)
	// Reset releases the latch and appends a LimitRecord. A second call with the same RequestID answers nil and changes
	// nothing. Errors: ErrNotTripped.
	Reset(ctx context.Context, r Reset) error
	Latches
}

// State is what the store knows of one limit.
type State struct {
	Leases []Lease
	// Used counts the permits in the window that ends now, of all gateways, those that are leased and may not be used
	// included. A store that isn't shared leaves it 0, and so may Latched where the name has a key.
	Used int64
	// Asked is when a shared store was asked last about a limit whose name has a key, by the limit's time; Load alone answers it.
	Asked time.Time
	// Tallies of a ratio's denominator; a shared store leaves them out.
	Tallies   []Tally
	Tripped   bool
	Trip      Trip
	LastReset Reset
	// Ask is the latest reset that was asked for since the trip, and Ack who looks after it; both are zero when it isn't tripped.
	Ask Ask
	Ack Acknowledgement
}

// Lease is a number of permits deducted before their use. Permits of a lease may be used in [From, Until]; whether they were
// is known only once it is settled: until then every one counts as used at Until. All times are whole microseconds, From
// rounded down and Until rounded up, so that a store of that resolution moves no permit to an earlier time.
type Lease struct {
	Limit string
	// ID is unique for the limit and rises.
	ID    int64
	Count int64
	From  time.Time
	Until time.Time
}

// LeaseRequest asks for permits. A store that isn't shared stores the Lease as it is, and a second one of the same ID is an
// error. A shared one chooses ID, From and Until itself: of the last two only the difference counts, how long the permits may
// be used; and it grants at most Count.
type LeaseRequest struct {
	Lease
	// Settled is an earlier lease of the same limit, with what was really used of it: Count permits, the last one at or before
	// Until. Nothing of it is used any more.
	Settled *Lease
	// Forget lets a store that isn't shared tidy up: leases of this limit with an Until at or before it are out of every
	// window to come and may be deleted.
	Forget time.Time
	// Report is of a ratio's denominator; nil: there is nothing to tell. A report that was told already changes nothing. Tallies of a ratio
	// that began at or before Forget may be deleted.
	Report *Report
	// Retire says that this gateway has nothing more to ask about the limit, which is that of a key: what is stored may be deleted
	// where nothing of it counts any more.
	Retire bool

	// The rest is for shared stores. Need is the fewest permits that are of use.
	Need int64
	// Max bounds the permits in any Window.
	Max    int64
	Window time.Duration
	// Share is a ratio's: the store sets Max by it; see Account.Weigh. nil: Max is what it is.
	Share *Share
	// Clock is the process's, as in Options. Seen is what this gateway knows of the limit's time by it; zero: nothing yet. Walls is what it knows
	// of other gateways' clocks.
	Clock func() time.Time
	Seen  Sighting
	Walls *Walls
}

// Sighting is a time of a limit, as a shared store's answer had it, between two readings of the process's clock, with their
// monotonic part: before the store's clock was asked for and after it had answered.
type Sighting struct {
	Now  time.Time
	Lost time.Duration
	// Born is the Account's, as whose time Now is.
	Born            time.Time
	Asked, Answered time.Time
	// Wall is what the process's wall clock alone said then.
	Wall time.Time
}

// Grant is a shared store's answer to a LeaseRequest. One that isn't shared fills only Lease in.
type Grant struct {
	// Lease that was granted; with Count 0: none.
	Lease
	// Seen is the limit's time of the decision.
	Seen Sighting
	// Voided: the decision has made void what gateways knew of the limit's time: Account.Born has changed.
	Voided bool
	// Used counts the permits in the window that ends at Seen.Now, those of Lease included.
	Used int64
	// Max that held, and Others, the answers of a ratio's denominator that aren't numerators.
	Max, Others int64
	// Pending of them are of leases that aren't settled yet and may still give something back, the next at Seen.Now+Retry; 0 where all of
	// it would be too little.
	Pending int64
	Retry   time.Duration
	// Stays: what is stored of a limit that retires still counts.
	Stays bool
	// Tripped: the limit is latched by Trip, which isn't a dry run. Nothing is granted.
	Tripped bool
	Trip    Trip
}

// Trip is the moment at which a limit latched.
type Trip struct {
	// ID is unique: receivers of alerts drop a second one.
	ID    string
	Limit string
	// Action, Model and Consumer of the answer that met the limit.
	Action, Model, Consumer string
	PredictionID            string
	At                      time.Time
	// Count is how many were released in the window, or their sum; MaxCount the bound.
	Count, MaxCount int64
	// Amount of a sum that didn't fit; 0 where answers are counted.
	Amount int64
	// Unit of Count, MaxCount and Amount; empty: answers, or the trip was stored before units were.
	Unit string
	// Denominator of a ratio: the answers in the window that Count was a share of.
	Denominator int64
	Window      time.Duration
	// DryRun trips are reported and hold nothing.
	DryRun bool
	// By is the person who stopped an action or a model, and Reason why; both are empty for a limit that was reached. A stop has no
	// Count, MaxCount and Window.
	By, Reason string
	// OnTrip is where a stop's answers go.
	OnTrip candorv1.OnTrip
}

// Reset is an operator's release of a latch.
type Reset struct {
	Limit     string
	By        string
	Reason    string
	RequestID string
	At        time.Time
	// AskedBy is who asked, where another confirmed; Reason is theirs.
	AskedBy   string
	Probation Probation
	// TripID of the trip that it released. The store sets it; empty: not known.
	TripID string
}

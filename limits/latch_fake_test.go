package limits

import (
	"context"
	"slices"
)

// The part of memStore about what happens at and after a trip. It sends no alerts: nothing here asks it to.

func (m *memStore) known(trip string) bool {
	return slices.ContainsFunc(m.trips, func(t Trip) bool { return t.ID == trip })
}

func (m *memStore) release(st *State, r Reset) {
	r.TripID = st.Trip.ID
	st.Tripped, st.Trip, st.LastReset, st.Ask, st.Ack = false, Trip{}, r, Ask{}, Acknowledgement{}
}

func (m *memStore) AskReset(ctx context.Context, a Ask) error {
	return m.do(ctx, "ask", a.Limit, func(st *State) error {
		switch {
		case m.asks[a.RequestID]:
			return nil
		case !st.Tripped:
			return ErrNotTripped
		case st.Ask.Pending(a.At):
			return ErrPending
		}
		m.asks[a.RequestID] = true
		st.Ask = a
		return nil
	})
}

func (m *memStore) ConfirmReset(ctx context.Context, c Confirmation) error {
	return m.do(ctx, "confirm", c.Limit, func(st *State) error {
		switch {
		case m.resets[c.RequestID]:
			return nil
		case !st.Tripped:
			return ErrNotTripped
		case st.Ask.RequestID != c.Asked || !st.Ask.Pending(c.At):
			return ErrNotAsked
		case st.Ask.By == c.By:
			return ErrSamePerson
		}
		m.resets[c.RequestID] = true
		m.release(st, Reset{
			Limit: c.Limit, By: c.By, Reason: st.Ask.Reason, RequestID: c.RequestID, At: c.At, AskedBy: st.Ask.By, Probation: c.Probation,
		})
		return nil
	})
}

func (m *memStore) AcknowledgeTrip(ctx context.Context, a Acknowledgement) error {
	return m.do(ctx, "acknowledge", a.Limit, func(st *State) error {
		if !st.Tripped {
			return ErrNotTripped
		}
		if st.Ack.By == "" {
			st.Ack = a
		}
		return nil
	})
}

func (m *memStore) LimitEvents(context.Context, string, int64, int) ([]Event, error) { return nil, nil }

func (m *memStore) OpenAlerts(context.Context) ([]Alert, error) { return nil, nil }

func (m *memStore) ClaimAlert(context.Context, AlertClaim) (int, bool, error) { return 0, false, nil }

func (m *memStore) FinishAlert(context.Context, AlertResult) error { return nil }

func (m *memStore) CloseAlert(context.Context, string) error { return nil }

// LatchesChanged is never: nobody who uses it waits.
func (m *memStore) LatchesChanged() <-chan struct{} { return nil }

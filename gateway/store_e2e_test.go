package gateway_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/review"
)

// sick is a store of limits that can't be reached while it is down.
type sick struct {
	limits.Store
	down atomic.Bool
}

func (s *sick) Lease(ctx context.Context, r limits.LeaseRequest) (limits.Grant, error) {
	if s.down.Load() {
		return limits.Grant{}, errors.New("disk I/O error")
	}
	return s.Store.Lease(ctx, r)
}

// A limit that can't ask its store withholds, says that it may pass later, and does not claim to have tripped.
func TestLimitFailsClosed(t *testing.T) {
	store := &sick{}
	w := startWith(t, options{deps: func(d *gateway.Deps) {
		store.Store = d.Limits
		d.Limits = store
	}}, withLimit(5, ", on_trip: reject")...)
	store.down.Store(true)
	err := w.infer(t.Context(), request([][4]float32{sureRow})).err
	if md := wantError(t, err, codes.Unavailable, "STORE_UNAVAILABLE"); md["limit"] != "declines" || toldBy(t, err).retry == nil || strings.Contains(err.Error(), "disk") {
		t.Errorf("%v %v", err, md)
	}
	// What no limit bounds goes on.
	if a := w.infer(t.Context(), request([][4]float32{goodRow})); a.err != nil {
		t.Error(a.err)
	}
	store.down.Store(false)
	if a := w.infer(t.Context(), request([][4]float32{sureRow})); a.err != nil {
		t.Error(a.err)
	}
	if l := w.limit("declines"); l.GetTripped() || l.GetUsed() != 1 {
		t.Errorf("limit %v", l)
	}
	if got := w.metric(`candor_limit_store_errors_total{limit="declines"}`); got != 1 {
		t.Errorf("%v store errors counted", got)
	}
}

// lost is a ledger that stores nothing while it is full.
type lost struct {
	gateway.Ledger
	full atomic.Bool
}

func (l *lost) Record(ctx context.Context, rec *candorv1.Record, items []review.Item) error {
	if l.full.Load() {
		return errors.New("database or disk is full")
	}
	return l.Ledger.Record(ctx, rec, items)
}

func (l *lost) Enqueue(ctx context.Context, rec *candorv1.Record) error {
	if l.full.Load() {
		return errors.New("database or disk is full")
	}
	return l.Ledger.Enqueue(ctx, rec)
}

// Nothing leaves without its record, and what did not leave uses up no limit.
func TestNothingLeavesWithoutItsRecord(t *testing.T) {
	ledger := &lost{}
	w := startWith(t, options{deps: func(d *gateway.Deps) {
		ledger.Ledger = d.Ledger
		d.Ledger = ledger
	}}, withLimit(5, "")...)
	ledger.full.Store(true)
	for _, r := range [][4]float32{sureRow, fallbackRow, deferredRow} {
		a := w.infer(t.Context(), request([][4]float32{r}, "candor_route"))
		wantError(t, a.err, codes.Unavailable, "STORE_UNAVAILABLE")
		if a.predictions != nil || toldBy(t, a.err).retry == nil {
			t.Errorf("beside the error: %v", a.predictions)
		}
	}
	if got := w.limit("declines").GetUsed(); got > 1 { // a lease in hand counts as one
		t.Errorf("%d used by what never left", got)
	}
	ledger.full.Store(false)
	for range 5 {
		if a := w.infer(t.Context(), request([][4]float32{sureRow})); a.err != nil {
			t.Error(a.err)
		}
	}
	if got := w.metric("candor_record_failures_total"); got != 3 {
		t.Errorf("%v failures counted", got)
	}
}

package storetest

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/calibration/certificate"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// Replay makes the state of a certificate's version anew from the items that are stored: drawn in the order of their numbers,
// settled by their verdicts (or the lack of them) as far as they have ended. opened is the state that it was opened with; it has a
// fixed grid and was never revoked. Times are not those of the original; see [Timeless].
func Replay(t testing.TB, d Driver, opened *candorv1.CertificateState, each func(review.Item)) *candorv1.CertificateState {
	t.Helper()
	ref, err := certificate.NewStream(opened.GetKey(), opened.GetOpenedUs())
	if err != nil {
		t.Fatal(err)
	}
	id := certificate.ID(opened)
	units := map[uint64][]review.Item{}
	for after := ""; ; {
		page, err := d.List(t.Context(), review.Filter{Limit: 500, After: after})
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range page.Items {
			if each != nil {
				each(it)
			}
			if n := part(it, id).Number; n > 0 {
				units[n] = append(units[n], it)
			}
		}
		if after = page.Next; after == "" {
			break
		}
	}
	// A later unit can't be settled before an earlier one is drawn: settling waits until all are drawn.
	tickets := map[uint64][]certificate.Ticket{}
	for n := uint64(1); n <= uint64(len(units)); n++ {
		items := units[n]
		slices.SortFunc(items, func(a, b review.Item) int { return int(a.Row) - int(b.Row) })
		var rows []certificate.Row
		for _, it := range items {
			sq := part(it, id)
			rows = append(rows, certificate.Row{Confidence: sq.Confidence, Propensity: sq.Probability, Accepted: sq.Accepted, Foreign: sq.Foreign})
		}
		if len(rows) == 0 {
			t.Fatalf("certificate %s: no row has the number %d, of %d", id, n, len(units))
		}
		if tickets[n], err = ref.Draw(part(items[0], id).Least, rows, items[0].Created.UnixMicro()); err != nil {
			t.Fatal(err)
		}
	}
	for n := uint64(1); n <= uint64(len(units)); n++ {
		for i, it := range units[n] {
			if it.FinalTime.IsZero() {
				continue
			}
			loss := 1.0
			if it.Verdict.GetLabel() == part(it, id).Label {
				loss = 0
			}
			if _, err := ref.Settle(tickets[n][i], loss, it.FinalReason != candorv1.Reason_REASON_VERDICT, it.FinalTime.UnixMicro()); err != nil {
				t.Fatal(err)
			}
		}
	}
	return ref.State
}

// part of an item in a certificate; none: one without a number.
func part(it review.Item, id string) review.Sequence {
	for _, sq := range it.Sequences {
		if sq.Certificate == id {
			return sq
		}
	}
	return review.Sequence{}
}

// Timeless is a state without what depends on when its units were completed.
func Timeless(s *candorv1.CertificateState) *candorv1.CertificateState {
	s = proto.CloneOf(s)
	s.CertifiedUs, s.ConsumedUs, s.OldestOpenUs = 0, 0, 0
	return s
}

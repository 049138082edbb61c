package desk

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// renewalCounter counts the calls that a clock that isn't real makes; a gateway's leases run by its own.
type renewalCounter struct {
	candorv1.ReviewServiceClient
	calls []*candorv1.RenewReviewItemLeaseRequest
}

func (c *renewalCounter) RenewReviewItemLease(_ context.Context, in *candorv1.RenewReviewItemLeaseRequest, _ ...grpc.CallOption) (*candorv1.RenewReviewItemLeaseResponse, error) {
	c.calls = append(c.calls, in)
	return nil, context.DeadlineExceeded // and goes on all the same
}

// A lease is kept while a person thinks, not any longer, and without a flood of calls.
func TestKeep(t *testing.T) {
	for _, tt := range []struct {
		lease, thinks time.Duration
		want          int
	}{
		{5 * time.Minute, time.Minute, 0},
		{5 * time.Minute, 10*time.Minute + time.Second, 6},
		{time.Second, 10*time.Second + time.Millisecond, 10},
		{-time.Hour, 3*time.Second + time.Millisecond, 3}, // the clocks differ
	} {
		synctest.Test(t, func(t *testing.T) {
			client := &renewalCounter{}
			s := &session{client: client, conn: &remote.Conn{}}
			item := &candorv1.ReviewItem{Name: "reviewItems/x", Epoch: 7, LeaseExpireTime: timestamppb.New(time.Now().Add(tt.lease))}
			stop := s.keep(t.Context(), item)
			time.Sleep(tt.thinks)
			stop()
			if len(client.calls) != tt.want {
				t.Errorf("a lease of %v was renewed %d times in %v, want %d", tt.lease, len(client.calls), tt.thinks, tt.want)
			}
			for _, in := range client.calls {
				if in.GetName() != "reviewItems/x" || in.GetEpoch() != 7 {
					t.Errorf("renewed %v", in)
				}
			}
		})
	}
}

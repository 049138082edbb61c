package desk

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// renewalCounter counts the calls that a clock that isn't real makes; a gateway's leases run by its own.
type renewalCounter struct {
	candorv1.ReviewServiceClient
	calls []*candorv1.RenewReviewItemLeaseRequest
	// answers of the calls; the last one for all that follow.
	answers []error
}

func (c *renewalCounter) RenewReviewItemLease(_ context.Context, in *candorv1.RenewReviewItemLeaseRequest, _ ...grpc.CallOption) (*candorv1.RenewReviewItemLeaseResponse, error) {
	c.calls = append(c.calls, in)
	return nil, c.answers[min(len(c.calls), len(c.answers))-1]
}

// A lease is kept while a person thinks, not any longer, and without a flood of calls. Its loss is told when it is known.
func TestHold(t *testing.T) {
	stale := status.Error(codes.Aborted, "your lease has ended")
	away := status.Error(codes.Unavailable, "no route to host")
	for _, tt := range []struct {
		name          string
		lease, thinks time.Duration
		answers       []error
		want          int
		lost          bool
	}{
		{"not needed yet", 5 * time.Minute, time.Minute, []error{nil}, 0, false},
		{"three times in its length", 5 * time.Minute, 10*time.Minute + time.Second, []error{nil}, 6, false},
		{"no flood", time.Second, 10*time.Second + time.Millisecond, []error{nil}, 10, false},
		{"the clocks differ", -time.Hour, 3*time.Second + time.Millisecond, []error{nil}, 3, false},
		{"somebody else has it", 3 * time.Minute, time.Hour, []error{nil, stale}, 2, true},
		{"the gateway is away for a while", 3 * time.Minute, 10*time.Minute + time.Second, []error{away, away, nil}, 10, false},
		{"the gateway is away for as long as the lease", 3 * time.Minute, time.Hour, []error{nil, away}, 4, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := &renewalCounter{answers: tt.answers}
				s := &session{client: client, conn: &remote.Conn{}}
				h := s.hold(t.Context(), &candorv1.ReviewItem{Name: "reviewItems/x", Epoch: 7, LeaseExpireTime: timestamppb.New(time.Now().Add(tt.lease))})
				time.Sleep(tt.thinks)
				h.drop()
				h.drop() // does no harm
				if len(client.calls) != tt.want {
					t.Errorf("a lease of %v was renewed %d times in %v, want %d", tt.lease, len(client.calls), tt.thinks, tt.want)
				}
				for _, in := range client.calls {
					if in.GetName() != "reviewItems/x" || in.GetEpoch() != 7 {
						t.Errorf("renewed %v", in)
					}
				}
				select {
				case err := <-h.lost:
					if !tt.lost {
						t.Errorf("lost: %v", err)
					}
				default:
					if tt.lost {
						t.Error("nobody was told that the lease is lost")
					}
				}
			})
		})
	}
}

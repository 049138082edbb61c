package backend

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/candor-gateway/candor/internal/wire"
)

// exchange is what one attempt needs in memory, in one piece: the answer, and what came beside it where there is none.
type exchange struct {
	answer wire.Frame
	timed  timed
	// came: a whole message has come.
	came            bool
	header, trailer metadata.MD
	head, tail      onFailure
	// again is the request once more, for the next attempt.
	again wire.Frame
	// tried are the replicas that attempts of the call have asked, of a backend with several.
	tried []*replica
	// made are the attempts, of a call of which there may be more to tell than its answer does. waited: for a place in flight.
	made   []Attempt
	waited time.Duration
	// took is how long the model server had the attempt, as far as we can tell: what we did with its answer isn't in it.
	took time.Duration
}

// asked notes that the attempt asks a replica; nil: the backend has one address.
func (x *exchange) asked(r *replica) {
	if r != nil {
		x.tried = append(x.tried, r)
	}
}

// onFailure is a call option that may be taken back while the call runs. gRPC copies headers and trailers of every call that asks for
// them, and only a call that fails has a use for them.
type onFailure struct{ grpc.CallOption }

func newExchange() *exchange {
	x := new(exchange)
	x.head.CallOption, x.tail.CallOption = grpc.Header(&x.header), grpc.Trailer(&x.trailer)
	return x
}

// Received makes an exchange the place that the answer is received into.
func (x *exchange) Received() *wire.Frame {
	x.came = true
	x.head.CallOption, x.tail.CallOption = grpc.EmptyCallOption{}, grpc.EmptyCallOption{}
	return &x.answer
}

// began says of a call that has failed whether an answer had begun: a message, or the headers before one. A status that comes alone
// brings trailers only.
func (x *exchange) began() bool { return x.came || len(x.header) > 0 }

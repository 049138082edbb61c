package backend

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// What a real server can't be made to do at will.
func TestClassifyTimes(t *testing.T) {
	const given = time.Second
	at := func(c codes.Code, e ended) ended {
		e.status, e.given = status.New(c, "text"), given
		return e
	}
	for _, test := range []struct {
		name  string
		e     ended
		class Class
	}{
		{"our timer", at(codes.DeadlineExceeded, ended{timeUp: true, ours: true, elapsed: given}), Failed},
		{"our timer, seen as a cancel", at(codes.Canceled, ended{timeUp: true, ours: true, elapsed: given}), Failed},
		{"the server gave up just before our timer", at(codes.DeadlineExceeded, ended{said: true, ours: true, elapsed: 900 * time.Millisecond}), Failed},
		{"the server gave up early", at(codes.DeadlineExceeded, ended{said: true, ours: true, elapsed: 100 * time.Millisecond}), Excluded},
		{"the server gave up just before the caller's deadline", at(codes.DeadlineExceeded, ended{said: true, elapsed: 990 * time.Millisecond}), Excluded},
		{"the caller's deadline, which the server calls INTERNAL", at(codes.Internal, ended{said: true, callerGone: true, callerLate: true}), Excluded},
		{"the caller cancelled, which the server calls UNKNOWN", at(codes.Unknown, ended{said: true, callerGone: true}), Excluded},
		{"an answer at the last moment", at(codes.InvalidArgument, ended{said: true, timeUp: true, ours: true, elapsed: given}), Alive},
		{"an error at the last moment", at(codes.Internal, ended{said: true, timeUp: true, ours: true, elapsed: given}), Failed},
		{"a code that gRPC does not know", at(codes.Code(77), ended{said: true, ours: true}), Failed},
	} {
		t.Run(test.name, func(t *testing.T) {
			if f := classify(candorv1.Dialect_DIALECT_UNSPECIFIED, 1000, test.e); f.Class != test.class {
				t.Errorf("%v (%s), want %v", f.Class, f.Message, test.class)
			}
		})
	}
}

func TestClassifySizes(t *testing.T) {
	for _, test := range []struct {
		name, text string
		begun      bool
		class      Class
	}{
		{"our limit", "grpc: received message larger than max (5000 vs. 1000)", true, Excluded},
		{"our limit, compressed", "grpc: received message after decompression larger than max 1000", true, Excluded},
		{"our limit, another decompressor", "grpc: message after decompression larger than max (5000 vs. 1000)", true, Excluded},
		{"the server's, with the same words", "grpc: received message larger than max (5000 vs. 1000)", false, Alive},
		{"the server's", "grpc: received message larger than max (5000 vs. 4194304)", true, Alive},
		{"the server's, in C++", "SERVER: Received message larger than max (4915244 vs. 4194304)", false, Alive},
		{"load", "too many requests", false, Overload},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := classify(0, 1000, ended{status: status.New(codes.ResourceExhausted, test.text), said: !test.begun})
			if f.Class != test.class {
				t.Errorf("%v (%s), want %v", f.Class, f.Message, test.class)
			}
		})
	}
}

func TestClassString(t *testing.T) {
	for c, want := range map[Class]string{Failed: "failed", Overload: "overload", Excluded: "excluded", Alive: "alive", 0: "unknown"} {
		if got := c.String(); got != want {
			t.Errorf("class %d is %q, want %q", c, got, want)
		}
	}
}

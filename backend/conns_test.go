package backend

import "testing"

// What is in flight is never below 0, and no connection takes from another, when a stream has ended or begun between two looks.
func TestInFlightIsNeverBelowZero(t *testing.T) {
	torn, busy := new(sharedConn), new(sharedConn)
	torn.idle.Add(1) // of a stream that isn't among the calls any more, or was not yet
	busy.calls.Add(3)
	if n := (conns{torn}).inFlight(); n != 0 {
		t.Errorf("%d in flight, want 0", n)
	}
	if n := (conns{torn, busy}).inFlight(); n != 3 {
		t.Errorf("%d in flight, want 3", n)
	}
}

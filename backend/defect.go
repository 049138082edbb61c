package backend

import (
	"runtime/debug"

	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// In goroutines of our own nobody above recovers, and a panic would end the process with everybody's calls. Here is what it becomes.

// defect is the Failure that a panic in one call becomes; its log has the rest. It is called while the panic is recovered.
func (b *Backend) defect(what string, panicked any) *Failure {
	b.log.Error(what+" panicked", "panic", panicked, "stack", string(debug.Stack()))
	f := inferred(Excluded, candorv1.Reason_REASON_BACKEND_FAILURE, codes.Internal, "a defect of the gateway; its log has the details")
	f.Backend = b.name
	return f
}

// lasting does the work of watching until it returns. After a panic it begins anew, a while later.
func (f *fleet) lasting(what string, work func()) {
	for !f.whole(what, work) && f.pause(soon) {
	}
}

// whole does the work, and says whether it came to its own end.
func (f *fleet) whole(what string, work func()) (ok bool) {
	defer func() {
		if p := recover(); p != nil {
			f.log.Error(what+" panicked; it begins anew", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	work()
	return true
}

package backend

import (
	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// defect is the Failure that a panic in one call becomes; its log has the rest. It is called while the panic is recovered.
func (b *Backend) defect(what string, panicked any) *Failure {
	b.guard.Tell(what, panicked)
	f := inferred(Excluded, candorv1.Reason_REASON_BACKEND_FAILURE, codes.Internal, "a defect of the gateway; its log has the details")
	f.Backend = b.name
	return f
}

// lasting does the work of watching in a goroutine of its own until it returns. After a panic it begins anew, a while later.
func (f *fleet) lasting(what string, work func()) {
	f.work.Go(func() { f.guard.Lasting(f.life, what, work) })
}

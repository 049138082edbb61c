package audit

import "crypto/sha256"

// VerifyReport says what a store found when it verified its log.
type VerifyReport struct {
	// Writers in the order in which they first appeared.
	Writers []WriterReport
}

// Fault answers the first fault; nil: the log is what was written.
func (r VerifyReport) Fault() *Fault {
	for _, w := range r.Writers {
		if w.Fault != nil {
			return w.Fault
		}
	}
	return nil
}

// WriterReport is one writer's part.
type WriterReport struct {
	Writer string
	// Entries that were verified, up to the fault.
	Entries uint64
	// Head of the chain as far as it was verified. Kept elsewhere, it shows later that nobody rewrote the whole log.
	Head [sha256.Size]byte
	// Payloads that are stored and have the recorded digest; PayloadsRemoved by retention.
	Payloads, PayloadsRemoved uint64
	// Fault is the first one; nil: none.
	Fault *Fault
}

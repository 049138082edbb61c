package audit

import (
	"crypto/sha256"
	"fmt"
)

// FaultKind says in what way a log isn't what was written.
type FaultKind int

// The kinds of a Fault.
const (
	// Altered: the entry's bytes, its hash, or its place aren't the ones that were chained. A flipped bit and two records
	// that changed places look like this.
	Altered FaultKind = iota + 1
	// Missing: the entry was deleted from the middle.
	Missing
	// Misplaced: the entry comes a second time, or after one that it should precede.
	Misplaced
	// Truncated: entries at the end, which the recorded head counts, are gone.
	Truncated
	// Unrecorded: the entry is beyond the recorded head, or the head isn't the last entry's.
	Unrecorded
	// PayloadAltered: a stored payload isn't the one whose digest the record holds.
	PayloadAltered
	// Unlinked: a chain doesn't start where the log says that it does.
	Unlinked
)

// Fault names the first entry of a writer that isn't what was written. It is an error.
type Fault struct {
	Kind   FaultKind
	Writer string
	Seq    uint64
	// Detail says what was found, and what should have been.
	Detail string
}

// Error names the record: "writer w record 17: ...".
func (f *Fault) Error() string {
	return fmt.Sprintf("writer %s record %d: %s", f.Writer, f.Seq, f.Detail)
}

// Verifier checks one writer's chain. Feed it entries in order of Seq, then End. After the first fault it answers that one
// for ever. Not safe for concurrent use.
type Verifier struct {
	chain Chain
	fault *Fault
}

// NewVerifier starts at a chain's origin (Chain.Head at Seq 0).
func NewVerifier(writer string, origin [sha256.Size]byte) *Verifier {
	return &Verifier{chain: Chain{Writer: writer, Head: origin}}
}

// Head answers the end of what was verified so far.
func (v *Verifier) Head() Chain { return v.chain }

// Add checks the next entry. The error is a *Fault.
func (v *Verifier) Add(e Entry) error {
	if v.fault != nil {
		return v.fault
	}
	next := v.chain.Seq + 1
	switch {
	case e.Writer != v.chain.Writer:
		return v.fail(Misplaced, next, fmt.Sprintf("an entry of writer %s stands here", e.Writer))
	case e.Seq > next:
		return v.fail(Missing, next, fmt.Sprintf("deleted: the log goes on with record %d", e.Seq))
	case e.Seq < next:
		return v.fail(Misplaced, e.Seq, fmt.Sprintf("out of order: it stands after record %d", v.chain.Seq))
	}
	chain := v.chain
	if got := chain.Append(e.Data); got.Hash != e.Hash {
		return v.fail(Altered, e.Seq, "altered: its bytes don't give the hash that was chained when it was written")
	}
	v.chain = chain
	return nil
}

// End checks that the log ends where the writer recorded that it does. The error is a *Fault.
func (v *Verifier) End(seq uint64, head [sha256.Size]byte) error {
	switch {
	case v.fault != nil:
		return v.fault
	case v.chain.Seq < seq:
		return v.fail(Truncated, v.chain.Seq+1, fmt.Sprintf("deleted: the log was cut off after record %d of %d", v.chain.Seq, seq))
	case v.chain.Seq > seq:
		return v.fail(Unrecorded, seq+1, fmt.Sprintf("not counted by the writer, whose head is at record %d", seq))
	case v.chain.Head != head:
		return v.fail(Unrecorded, seq, fmt.Sprintf("the writer's recorded head is %x, the chain ends in %x", head, v.chain.Head))
	}
	return nil
}

func (v *Verifier) fail(kind FaultKind, seq uint64, detail string) *Fault {
	v.fault = &Fault{Kind: kind, Writer: v.chain.Writer, Seq: seq, Detail: detail}
	return v.fault
}

package audit

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// Kept is a stored log as [VerifyStored] reads it: one snapshot. Its errors are for a store that can't be read; what is stored
// is answered as it is, however wrong.
type Kept interface {
	// Chains answers the writers' chains in the order of their ordinals.
	Chains() ([]StoredChain, error)
	// Origin answers the origin of a writer's chain, and Hash that of a record; nil where there is none such.
	Origin(writer int64) ([]byte, error)
	Hash(writer, seq int64) ([]byte, error)
	// Entries calls each for a writer's entries after a number, in order, at most limit of them.
	Entries(writer, after int64, limit int, each func(StoredEntry)) error
	// Payload answers what is stored of a review item's payload: the item's own or the one that it shows.
	Payload(item uuid.UUID) (StoredPayload, error)
	// Strays answers entries that belong to no chain: those of writers that aren't there, and those not numbered from 1; the first
	// of each writer.
	Strays() ([]Stray, error)
}

// StoredChain is a writer's chain. It began after record AfterSeq of the writer number AfterWriter.
type StoredChain struct {
	Name                  string
	Ordinal               int64
	AfterWriter, AfterSeq int64
	Origin, Head          []byte
	Seq                   int64
}

// StoredEntry is an entry of the log. Prediction is the id that it is filed under; empty: none.
type StoredEntry struct {
	Seq                    int64
	Prediction, Data, Hash []byte
}

// StoredPayload is a review item's payload. There says that a digest is kept; Data nil: the payload was removed.
type StoredPayload struct {
	There     bool
	Data, Sum []byte
}

// Stray is the first entry of a writer that belongs to no chain.
type Stray struct{ Writer, Seq int64 }

// verifyPage is how many entries are read at a time.
const verifyPage = 512

// VerifyStored checks every writer's hash chain from the first record to the head, how the chains hang together, and that stored
// payloads are those whose digests were recorded. Tampering is in the report.
func VerifyStored(kept Kept) (VerifyReport, error) {
	var report VerifyReport
	chains, err := kept.Chains()
	if err != nil {
		return report, err
	}
	for i, c := range chains {
		r, err := verifyChain(kept, c, int64(i+1))
		if err != nil {
			return report, fmt.Errorf("writer %s: %w", c.Name, err)
		}
		report.Writers = append(report.Writers, r)
	}
	strays, err := kept.Strays()
	if err != nil {
		return report, err
	}
	for _, s := range strays {
		name := fmt.Sprintf("number %d", s.Writer)
		report.Writers = append(report.Writers, WriterReport{Writer: name, Fault: &Fault{
			Kind: Unrecorded, Writer: name, Seq: uint64(max(s.Seq, 0)), Detail: "the log has it, and no chain begins with it",
		}})
	}
	return report, nil
}

// verifyChain verifies one writer, whose ordinal should be the given one.
func verifyChain(kept Kept, c StoredChain, ordinal int64) (WriterReport, error) {
	r := WriterReport{Writer: c.Name}
	var origin, head [sha256.Size]byte
	if copy(origin[:], c.Origin) != len(origin) || copy(head[:], c.Head) != len(head) {
		r.Fault = unlinked(c, "its origin or head isn't a hash")
		return r, nil
	}
	fault, err := verifyLink(kept, c, ordinal)
	if err != nil || fault != nil {
		r.Fault = fault
		return r, err
	}
	verifier := NewVerifier(c.Name, origin)
	for last, full := int64(0), true; full && r.Fault == nil; {
		entries := make([]StoredEntry, 0, verifyPage)
		if err := kept.Entries(c.Ordinal, last, verifyPage, func(e StoredEntry) { entries = append(entries, e) }); err != nil {
			return r, err
		}
		full = len(entries) == verifyPage
		for _, e := range entries {
			if r.Fault, err = verifyEntry(kept, verifier, c, e, &r); err != nil {
				return r, err
			}
			if r.Fault != nil {
				break
			}
			last = e.Seq
		}
	}
	if r.Fault == nil {
		errors.As(verifier.End(uint64(c.Seq), head), &r.Fault)
	}
	end := verifier.Head()
	r.Entries, r.Head = end.Seq, end.Head
	return r, nil
}

func verifyEntry(kept Kept, v *Verifier, c StoredChain, e StoredEntry, r *WriterReport) (*Fault, error) {
	chained := Entry{Writer: c.Name, Seq: uint64(e.Seq), Data: e.Data}
	// A hash of another length counts as zeros, which nothing hashes to.
	if len(e.Hash) == len(chained.Hash) {
		copy(chained.Hash[:], e.Hash)
	}
	var fault *Fault
	if err := v.Add(chained); err != nil {
		errors.As(err, &fault)
		return fault, nil
	}
	return verifyContent(kept, c, e, r)
}

func unlinked(c StoredChain, detail string) *Fault {
	return &Fault{Kind: Unlinked, Writer: c.Name, Seq: 1, Detail: detail}
}

// verifyLink checks that a chain begins at the record after which its writer appeared, and that no writer is missing before it.
func verifyLink(kept Kept, c StoredChain, ordinal int64) (*Fault, error) {
	switch {
	case c.Ordinal != ordinal:
		return unlinked(c, fmt.Sprintf("the writer before it was deleted: number %d follows %d", c.Ordinal, ordinal-1)), nil
	case ordinal == 1 && !bytes.Equal(c.Origin, make([]byte, sha256.Size)):
		return unlinked(c, "it is the first chain and doesn't start from nothing"), nil
	case ordinal == 1:
		return nil, nil
	}
	var found []byte
	var err error
	if c.AfterSeq == 0 {
		found, err = kept.Origin(c.AfterWriter)
	} else {
		found, err = kept.Hash(c.AfterWriter, c.AfterSeq)
	}
	if err != nil {
		return nil, err
	}
	if c.AfterWriter != ordinal-1 || !bytes.Equal(found, c.Origin) {
		return unlinked(c, fmt.Sprintf("it started after record %d of writer number %d, which is gone or altered", c.AfterSeq, c.AfterWriter)), nil
	}
	return nil, nil
}

// verifyContent checks what lies beside an intact entry: the id that it is found by, and the payloads whose digests it holds.
func verifyContent(kept Kept, c StoredChain, e StoredEntry, r *WriterReport) (*Fault, error) {
	fault := func(kind FaultKind, format string, args ...any) *Fault {
		return &Fault{Kind: kind, Writer: c.Name, Seq: uint64(e.Seq), Detail: fmt.Sprintf(format, args...)}
	}
	rec, err := Decode(e.Data)
	if err != nil {
		return fault(Altered, "its bytes aren't a record"), nil
	}
	p := rec.GetPrediction()
	if !bytes.Equal(e.Prediction, p.GetPredictionId()) {
		return fault(Altered, "it is filed under prediction %x, and is about %x", e.Prediction, p.GetPredictionId()), nil
	}
	for i, row := range p.GetRows() {
		if len(row.GetPayloadSha256()) == 0 || len(row.GetReviewItem()) != len(uuid.UUID{}) {
			continue
		}
		item := uuid.UUID(row.GetReviewItem())
		p, err := kept.Payload(item)
		if err != nil {
			return nil, err
		}
		found := sha256.Sum256(p.Data)
		switch {
		case !p.There:
			return fault(PayloadAltered, "row %d: review item %s, or its payload's digest, was deleted", i, item), nil
		case !bytes.Equal(p.Sum, row.GetPayloadSha256()), p.Data != nil && !bytes.Equal(found[:], p.Sum):
			return fault(PayloadAltered, "row %d: the payload of review item %s isn't the recorded one", i, item), nil
		case p.Data == nil:
			r.PayloadsRemoved++
		default:
			r.Payloads++
		}
	}
	return nil, nil
}

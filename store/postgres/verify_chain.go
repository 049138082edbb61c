package postgres

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/audit"
)

// verification reads one snapshot.
type verification struct{ query queryFunc }

// storedChain is a row of writers.
type storedChain struct {
	name                  string
	ordinal               int64
	afterWriter, afterSeq int64
	origin, head          []byte
	seq                   int64
}

func (v verification) chains() ([]storedChain, error) {
	var out []storedChain
	err := v.query(`SELECT name, ordinal, after_writer, after_seq, origin, seq, head FROM writers ORDER BY ordinal`, nil, func(row scanner) error {
		var c storedChain
		err := row.Scan(&c.name, &c.ordinal, &c.afterWriter, &c.afterSeq, &c.origin, &c.seq, &c.head)
		out = append(out, c)
		return err
	})
	return out, err
}

// chain verifies one writer, whose ordinal should be the given one.
func (v verification) chain(c storedChain, ordinal int64) (audit.WriterReport, error) {
	r := audit.WriterReport{Writer: c.name}
	var origin, head [sha256.Size]byte
	if copy(origin[:], c.origin) != len(origin) || copy(head[:], c.head) != len(head) {
		r.Fault = unlinked(c, "its origin or head isn't a hash")
		return r, nil
	}
	fault, err := v.link(c, ordinal)
	if err != nil || fault != nil {
		r.Fault = fault
		return r, err
	}
	verifier := audit.NewVerifier(c.name, origin)
	for last, full := int64(0), true; full && r.Fault == nil; {
		entries, err := v.page(c, last)
		if err != nil {
			return r, err
		}
		full = len(entries) == verifyPage
		for _, e := range entries {
			if err := verifier.Add(e.Entry); err != nil {
				errors.As(err, &r.Fault)
				break
			}
			if r.Fault, err = v.content(e, &r); err != nil || r.Fault != nil {
				break
			}
			last = int64(e.Seq)
		}
		if err != nil {
			return r, err
		}
	}
	if r.Fault == nil {
		errors.As(verifier.End(uint64(c.seq), head), &r.Fault)
	}
	end := verifier.Head()
	r.Entries, r.Head = end.Seq, end.Head
	return r, nil
}

func unlinked(c storedChain, detail string) *audit.Fault {
	return &audit.Fault{Kind: audit.Unlinked, Writer: c.name, Seq: 1, Detail: detail}
}

// link checks that a chain begins at the record after which its writer appeared, and that no writer is missing before it.
func (v verification) link(c storedChain, ordinal int64) (*audit.Fault, error) {
	switch {
	case c.ordinal != ordinal:
		return unlinked(c, fmt.Sprintf("the writer before it was deleted: number %d follows %d", c.ordinal, ordinal-1)), nil
	case ordinal == 1 && !bytes.Equal(c.origin, make([]byte, sha256.Size)):
		return unlinked(c, "it is the first chain and doesn't start from nothing"), nil
	case ordinal == 1:
		return nil, nil
	}
	var found []byte
	query, args := `SELECT hash FROM log WHERE writer = $1 AND seq = $2`, []any{c.afterWriter, c.afterSeq}
	if c.afterSeq == 0 {
		query, args = `SELECT origin FROM writers WHERE ordinal = $1`, args[:1]
	}
	err := v.query(query, args, func(row scanner) error { return row.Scan(&found) })
	if err != nil {
		return nil, err
	}
	if c.afterWriter != ordinal-1 || !bytes.Equal(found, c.origin) {
		return unlinked(c, fmt.Sprintf("it started after record %d of writer number %d, which is gone or altered", c.afterSeq, c.afterWriter)), nil
	}
	return nil, nil
}

// storedEntry is a row of log.
type storedEntry struct {
	audit.Entry
	prediction nullUUID
}

func (v verification) page(c storedChain, after int64) ([]storedEntry, error) {
	out := make([]storedEntry, 0, verifyPage)
	err := v.query(`SELECT seq, prediction_id, data, hash FROM log WHERE writer = $1 AND seq > $2 ORDER BY seq LIMIT $3`,
		[]any{c.ordinal, after, verifyPage}, func(row scanner) error {
			e := storedEntry{Entry: audit.Entry{Writer: c.name}}
			var seq int64
			var hash []byte
			if err := row.Scan(&seq, &e.prediction, &e.Data, &hash); err != nil {
				return err
			}
			// A hash of another length counts as zeros, which nothing hashes to.
			if len(hash) == len(e.Hash) {
				copy(e.Hash[:], hash)
			}
			e.Seq = uint64(seq)
			out = append(out, e)
			return nil
		})
	return out, err
}

// content checks what lies beside an intact entry: the id that it is found by, and the payloads whose digests it holds.
func (v verification) content(e storedEntry, r *audit.WriterReport) (*audit.Fault, error) {
	fault := func(kind audit.FaultKind, format string, args ...any) *audit.Fault {
		return &audit.Fault{Kind: kind, Writer: e.Writer, Seq: e.Seq, Detail: fmt.Sprintf(format, args...)}
	}
	rec, err := audit.Decode(e.Data)
	if err != nil {
		return fault(audit.Altered, "its bytes aren't a record"), nil
	}
	p := rec.GetPrediction()
	if e.prediction.Valid != (p != nil) || e.prediction.Valid && !bytes.Equal(e.prediction.Bytes[:], p.GetPredictionId()) {
		return fault(audit.Altered, "it is filed under prediction %s, and is about %x", e.prediction, p.GetPredictionId()), nil
	}
	for i, row := range p.GetRows() {
		if len(row.GetPayloadSha256()) == 0 || len(row.GetReviewItem()) != len(uuid.UUID{}) {
			continue
		}
		item := uuid.UUID(row.GetReviewItem()).String()
		p, err := loadPayload(v.query, [16]byte(row.GetReviewItem()))
		if err != nil {
			return nil, err
		}
		found := sha256.Sum256(p.data)
		switch {
		case !p.there:
			return fault(audit.PayloadAltered, "row %d: review item %s, or its payload's digest, was deleted", i, item), nil
		case !bytes.Equal(p.sum, row.GetPayloadSha256()), p.data != nil && !bytes.Equal(found[:], p.sum):
			return fault(audit.PayloadAltered, "row %d: the payload of review item %s isn't the recorded one", i, item), nil
		case p.data == nil:
			r.PayloadsRemoved++
		default:
			r.Payloads++
		}
	}
	return nil, nil
}

// strays finds entries of writers that aren't there, or aren't numbered from 1.
func (v verification) strays(report *audit.VerifyReport) error {
	return v.query(`
		SELECT writer, min(seq) FROM log WHERE seq < 1 OR writer NOT IN (SELECT ordinal FROM writers) GROUP BY writer`, nil,
		func(row scanner) error {
			var writer, seq int64
			if err := row.Scan(&writer, &seq); err != nil {
				return err
			}
			name := fmt.Sprintf("number %d", writer)
			report.Writers = append(report.Writers, audit.WriterReport{Writer: name, Fault: &audit.Fault{
				Kind: audit.Unrecorded, Writer: name, Seq: uint64(max(seq, 0)), Detail: "the log has it, and no chain begins with it",
			}})
			return nil
		})
}

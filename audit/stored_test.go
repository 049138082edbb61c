package audit_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/audit"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// shelf is a log in memory, with which a test can tamper.
type shelf struct {
	chains   []audit.StoredChain
	entries  map[int64][]audit.StoredEntry
	payloads map[uuid.UUID]audit.StoredPayload
	broken   error
}

// written is a log of two writers, the second of which began after three records of the first; one record has a payload.
func written(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{entries: map[int64][]audit.StoredEntry{}, payloads: map[uuid.UUID]audit.StoredPayload{}}
	head := s.write(t, 1, [sha256.Size]byte{}, 3)
	s.write(t, 2, head, 600)
	s.chains[1].AfterWriter, s.chains[1].AfterSeq = 1, 3
	return s
}

func (s *shelf) write(t *testing.T, writer int64, origin [sha256.Size]byte, count int) [sha256.Size]byte {
	t.Helper()
	name := map[int64]string{1: "one", 2: "two"}[writer]
	chain := audit.Chain{Writer: name, Head: origin}
	for i := range count {
		id := uuid.New()
		p := &candorv1.PredictionRecord{PredictionId: id[:], Model: "m", Rows: []*candorv1.RowRecord{{}}}
		if i == 1 {
			item, data := uuid.New(), []byte("payload")
			sum := sha256.Sum256(data)
			p.Rows[0].ReviewItem, p.Rows[0].PayloadSha256 = item[:], sum[:]
			s.payloads[item] = audit.StoredPayload{There: true, Data: data, Sum: sum[:]}
		}
		at := time.Date(2026, 11, 20, 0, 0, i, 0, time.UTC)
		data, err := audit.Encode(&candorv1.Record{TimeUs: at.UnixMicro(), Entry: &candorv1.Record_Prediction{Prediction: p}})
		if err != nil {
			t.Fatal(err)
		}
		e := chain.Append(data)
		s.entries[writer] = append(s.entries[writer], audit.StoredEntry{Seq: int64(e.Seq), Prediction: id[:], Data: data, Hash: e.Hash[:]})
	}
	s.chains = append(s.chains, audit.StoredChain{Name: name, Ordinal: writer, Origin: origin[:], Head: chain.Head[:], Seq: int64(chain.Seq)})
	return chain.Head
}

func (s *shelf) Chains() ([]audit.StoredChain, error) { return s.chains, s.broken }

func (s *shelf) Origin(writer int64) ([]byte, error) { return s.chains[writer-1].Origin, nil }

func (s *shelf) Hash(writer, seq int64) ([]byte, error) {
	for _, e := range s.entries[writer] {
		if e.Seq == seq {
			return e.Hash, nil
		}
	}
	return nil, nil
}

func (s *shelf) Entries(writer, after int64, limit int, each func(audit.StoredEntry)) error {
	for _, e := range s.entries[writer] {
		if e.Seq > after && limit > 0 {
			each(e)
			limit--
		}
	}
	return nil
}

func (s *shelf) Payload(item uuid.UUID) (audit.StoredPayload, error) { return s.payloads[item], nil }

func (s *shelf) Strays() ([]audit.Stray, error) {
	for writer, entries := range s.entries {
		if writer > int64(len(s.chains)) {
			return []audit.Stray{{Writer: writer, Seq: entries[0].Seq}}, nil
		}
	}
	return nil, nil
}

func (s *shelf) Parts(context.Context) ([]audit.Part, error) {
	var out []audit.Part
	for _, c := range s.chains {
		out = append(out, audit.Part{Writer: c.Ordinal, Last: c.Seq})
	}
	return out, s.broken
}

func (s *shelf) Record(_ context.Context, writer, seq int64) ([]byte, error) {
	return s.entries[writer][seq-1].Data, nil
}

func (s *shelf) Page(_ context.Context, p audit.Part, limit int, each func(int64, []byte) error) error {
	for _, e := range s.entries[p.Writer] {
		if e.Seq > p.After && e.Seq <= p.Last && limit > 0 {
			if err := each(e.Seq, e.Data); err != nil {
				return err
			}
			limit--
		}
	}
	return nil
}

func TestVerifyStored(t *testing.T) {
	report, err := audit.VerifyStored(written(t))
	if err != nil || report.Fault() != nil {
		t.Fatalf("an untouched log: %v, %v", report.Fault(), err)
	}
	if two := report.Writers[1]; len(report.Writers) != 2 || two.Entries != 600 || two.Payloads != 1 {
		t.Errorf("report is %+v, want 2 writers, the second with 600 records and a payload", report)
	}
	s := written(t)
	for item, p := range s.payloads {
		s.payloads[item] = audit.StoredPayload{There: true, Sum: p.Sum}
	}
	if report, err = audit.VerifyStored(s); err != nil || report.Fault() != nil || report.Writers[0].PayloadsRemoved != 1 {
		t.Errorf("a payload that was removed: %+v, %v", report, err)
	}
	s.broken = errors.New("no disk")
	if _, err := audit.VerifyStored(s); !errors.Is(err, s.broken) {
		t.Errorf("error is %v, want the store's", err)
	}
}

func TestVerifyStoredNamesWhatWasDone(t *testing.T) {
	for name, c := range map[string]struct {
		kind   audit.FaultKind
		tamper func(*shelf)
	}{
		"a bit flips":              {audit.Altered, func(s *shelf) { s.entries[2][530].Data[3] ^= 1 }},
		"a hash is shortened":      {audit.Altered, func(s *shelf) { s.entries[1][1].Hash = s.entries[1][1].Hash[:8] }},
		"a record goes":            {audit.Missing, func(s *shelf) { s.entries[2] = append(s.entries[2][:100], s.entries[2][101:]...) }},
		"the end goes":             {audit.Truncated, func(s *shelf) { s.entries[2] = s.entries[2][:512] }},
		"a writer goes":            {audit.Unlinked, func(s *shelf) { s.chains = s.chains[1:] }},
		"the first writer's head":  {audit.Unlinked, func(s *shelf) { s.chains[1].AfterSeq = 2 }},
		"a head is no hash":        {audit.Unlinked, func(s *shelf) { s.chains[0].Head = nil }},
		"a record is refiled":      {audit.Altered, func(s *shelf) { s.entries[1][2].Prediction = make([]byte, 16) }},
		"entries without a writer": {audit.Unrecorded, func(s *shelf) { s.entries[7] = s.entries[1] }},
		"a payload changes": {audit.PayloadAltered, func(s *shelf) {
			for item, p := range s.payloads {
				s.payloads[item] = audit.StoredPayload{There: true, Data: []byte("other"), Sum: p.Sum}
			}
		}},
		"a payload's digest goes": {audit.PayloadAltered, func(s *shelf) { clear(s.payloads) }},
	} {
		t.Run(name, func(t *testing.T) {
			s := written(t)
			c.tamper(s)
			report, err := audit.VerifyStored(s)
			if err != nil || report.Fault() == nil || report.Fault().Kind != c.kind {
				t.Errorf("fault is %+v (%v), want kind %d", report.Fault(), err, c.kind)
			}
		})
	}
}

func TestScanFindsTheSpan(t *testing.T) {
	s := written(t)
	at := func(second int) time.Time { return time.Date(2026, 11, 20, 0, 0, second, 0, time.UTC) }
	for name, c := range map[string]struct {
		since, until time.Time
		want         int
	}{
		"all":    {want: 603},
		"from":   {since: at(590), want: 10},
		"until":  {until: at(3), want: 6},
		"a span": {since: at(2), until: at(520), want: 519},
	} {
		t.Run(name, func(t *testing.T) {
			scan, err := audit.NewScan(t.Context(), s, c.since, c.until)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // It may be used again.
				n := 0
				for _, err := range scan.All(t.Context()) {
					if err != nil {
						t.Fatal(err)
					}
					n++
				}
				if n != c.want || scan.Records < uint64(n) {
					t.Errorf("%d records, of %d that are read; want %d", n, scan.Records, c.want)
				}
			}
		})
	}
}

func TestScanNamesTheRecordThatIsMissing(t *testing.T) {
	s := written(t)
	scan, err := audit.NewScan(t.Context(), s, time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	s.entries[2] = append(s.entries[2][:100], s.entries[2][101:]...)
	var last error
	for _, err := range scan.All(t.Context()) {
		last = err
	}
	if last == nil || !strings.Contains(last.Error(), "record 101") || !strings.Contains(last.Error(), "candor audit verify") {
		t.Errorf("error is %v, want one that names record 101", last)
	}
}

package audit

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// written is a log of n entries as its writer left it.
func written(t *testing.T, n int) ([]Entry, Chain) {
	t.Helper()
	c := Chain{Writer: "w", Head: sha256.Sum256([]byte("origin"))}
	var entries []Entry
	for i := range n {
		data, err := Encode(&candorv1.Record{TimeUs: int64(i + 1), Entry: &candorv1.Record_Limit{Limit: &candorv1.LimitRecord{
			Limit: fmt.Sprintf("limits/l%d", i), Event: candorv1.LimitEvent_LIMIT_EVENT_TRIPPED,
		}}})
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, c.Append(data))
	}
	return entries, c
}

func verify(entries []Entry, head Chain) error {
	v := NewVerifier("w", sha256.Sum256([]byte("origin")))
	for _, e := range entries {
		if err := v.Add(e); err != nil {
			return err
		}
	}
	return v.End(head.Seq, head.Head)
}

func TestVerifierNamesTampering(t *testing.T) {
	const n = 30
	clone := func(in []Entry) []Entry {
		out := slices.Clone(in)
		for i := range out {
			out[i].Data = bytes.Clone(out[i].Data)
		}
		return out
	}
	for _, tc := range []struct {
		name   string
		tamper func([]Entry, *Chain) []Entry
		kind   FaultKind
		seq    uint64
	}{
		{"a flipped bit", func(e []Entry, _ *Chain) []Entry { e[16].Data[3] ^= 4; return e }, Altered, 17},
		{"a flipped bit in the first", func(e []Entry, _ *Chain) []Entry { e[0].Data[0] ^= 1; return e }, Altered, 1},
		{"a flipped bit in the last", func(e []Entry, _ *Chain) []Entry { e[n-1].Data[0] ^= 1; return e }, Altered, n},
		{"a byte more", func(e []Entry, _ *Chain) []Entry { e[4].Data = append(e[4].Data, 0); return e }, Altered, 5},
		{"emptied", func(e []Entry, _ *Chain) []Entry { e[4].Data = nil; return e }, Altered, 5},
		{"a flipped hash", func(e []Entry, _ *Chain) []Entry { e[9].Hash[31] ^= 1; return e }, Altered, 10},
		{"deleted", func(e []Entry, _ *Chain) []Entry { return slices.Delete(e, 16, 17) }, Missing, 17},
		{"the first deleted", func(e []Entry, _ *Chain) []Entry { return e[1:] }, Missing, 1},
		{"deleted and renumbered", func(e []Entry, _ *Chain) []Entry {
			e = slices.Delete(e, 16, 17)
			for i := 16; i < len(e); i++ {
				e[i].Seq--
			}
			return e
		}, Altered, 17},
		{"the last deleted", func(e []Entry, _ *Chain) []Entry { return e[:n-1] }, Truncated, n},
		{"cut off", func(e []Entry, _ *Chain) []Entry { return e[:11] }, Truncated, 12},
		{"all deleted", func([]Entry, *Chain) []Entry { return nil }, Truncated, 1},
		{"swapped in the order", func(e []Entry, _ *Chain) []Entry { e[5], e[6] = e[6], e[5]; return e }, Missing, 6},
		{"swapped contents", func(e []Entry, _ *Chain) []Entry {
			e[5].Data, e[6].Data = e[6].Data, e[5].Data
			return e
		}, Altered, 6},
		{"swapped contents and hashes", func(e []Entry, _ *Chain) []Entry {
			e[5], e[6] = e[6], e[5]
			e[5].Seq, e[6].Seq = 6, 7
			return e
		}, Altered, 6},
		{"a record twice", func(e []Entry, _ *Chain) []Entry { return slices.Insert(e, 8, e[7]) }, Misplaced, 8},
		{"a stranger's record", func(e []Entry, _ *Chain) []Entry { e[8].Writer = "x"; return e }, Misplaced, 9},
		{"one added at the end", func(e []Entry, h *Chain) []Entry {
			c := *h
			return append(e, c.Append([]byte("x")))
		}, Unrecorded, n + 1},
		{"the head moved", func(e []Entry, h *Chain) []Entry { h.Head[0] ^= 1; return e }, Unrecorded, n},
		{"all computed again from record 20 on", func(e []Entry, _ *Chain) []Entry {
			c := Chain{Writer: "w", Seq: 19, Head: e[18].Hash}
			for i := 19; i < n; i++ {
				e[i] = c.Append(append(e[i].Data, 0x7a, 0))
			}
			return e
		}, Unrecorded, n},
	} {
		t.Run(tc.name, func(t *testing.T) {
			entries, head := written(t, n)
			entries = tc.tamper(clone(entries), &head)
			err := verify(entries, head)
			var f *Fault
			if !errors.As(err, &f) {
				t.Fatalf("verify: %v; want a fault", err)
			}
			if f.Kind != tc.kind || f.Seq != tc.seq || f.Writer != "w" {
				t.Errorf("got kind %d, %v; want kind %d at record %d", f.Kind, f, tc.kind, tc.seq)
			}
			if want := fmt.Sprintf("writer w record %d: ", tc.seq); !strings.HasPrefix(f.Error(), want) {
				t.Errorf("message %q doesn't start with %q", f.Error(), want)
			}
		})
	}
}

func TestVerifierAcceptsWhatWasWritten(t *testing.T) {
	for _, n := range []int{0, 1, 2, 100} {
		entries, head := written(t, n)
		if err := verify(entries, head); err != nil {
			t.Errorf("%d entries: %v", n, err)
		}
	}
}

func TestVerifierWantsTheOrigin(t *testing.T) {
	entries, _ := written(t, 3)
	v := NewVerifier("w", [sha256.Size]byte{})
	var f *Fault
	if err := v.Add(entries[0]); !errors.As(err, &f) || f.Kind != Altered || f.Seq != 1 {
		t.Errorf("another origin: %v; want record 1 altered", err)
	}
	if err := v.Add(entries[1]); !errors.Is(err, f) {
		t.Errorf("after a fault: %v; want the same fault", err)
	}
	if err := v.End(3, entries[2].Hash); !errors.Is(err, f) {
		t.Errorf("End after a fault: %v; want the same fault", err)
	}
}

// No two different histories give the same hash by moving bytes from one part to the next.
func TestHashIsFramed(t *testing.T) {
	a := hash("ab", 1, [sha256.Size]byte{}, []byte("c"))
	b := hash("a", 1, [sha256.Size]byte{}, []byte("bc"))
	if a == b {
		t.Error("the writer's end and the data's start can't be told apart")
	}
	if hash("w", 1, [sha256.Size]byte{}, nil) == hash("w", 2, [sha256.Size]byte{}, nil) {
		t.Error("the sequence number isn't covered")
	}
}

package wire

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

// envMutations is how many mutated messages TestScannersAgainstUnmarshal scans; the fuzzer's engine, which is guided by coverage,
// does some thousands a second, and this some hundred thousand.
const envMutations = "CANDOR_MUTATIONS"

// fewMutations is what an ordinary run of the tests scans.
const fewMutations = 20_000

// Messages that go wrong in every way that the wire allows are scanned, in one piece and in many, and read by proto.Unmarshal:
// both accept or both refuse, and what they see is the same.
func TestScannersAgainstUnmarshal(t *testing.T) {
	want := int64(fewMutations)
	if v := os.Getenv(envMutations); v != "" {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			t.Fatalf("%s=%q: write a number", envMutations, v)
		}
		want = n
	}
	seed := rand.Uint64()
	var done, accepted atomic.Int64
	var workers sync.WaitGroup
	for w := range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			m := newMutator(t, rand.New(rand.NewPCG(seed, uint64(w))))
			for done.Add(1) <= want && !t.Failed() {
				if m.step(t) {
					accepted.Add(1)
				}
			}
		})
	}
	workers.Wait()
	if t.Failed() {
		t.Fatalf("seed %d", seed)
	}
	t.Logf("%d messages scanned, %d of them well-formed: no difference (seed %d)", want, accepted.Load(), seed)
}

// mutator makes messages of others.
type mutator struct {
	rng     *rand.Rand
	samples [2][][]byte // requests, responses
}

func newMutator(t *testing.T, rng *rand.Rand) *mutator {
	m := &mutator{rng: rng}
	for i := range uint64(8) {
		request, _ := sampleRequest(t, newRand(rng.Uint64()), int(i%4), i%2 == 0)
		response, _ := sampleResponse(t, newRand(rng.Uint64()), int(i%4), i%2 == 0)
		m.samples[0], m.samples[1] = append(m.samples[0], request), append(m.samples[1], response)
	}
	for _, odd := range oddMessages() {
		if len(odd) < 1000 {
			m.samples[0], m.samples[1] = append(m.samples[0], odd), append(m.samples[1], odd)
		}
	}
	return m
}

// step scans one message, and reports whether it is one.
func (m *mutator) step(t *testing.T) bool {
	kind := m.rng.IntN(2)
	data := slices.Clone(m.samples[kind][m.rng.IntN(len(m.samples[kind]))])
	for range 1 + m.rng.IntN(4) {
		data = m.mutate(data, m.samples[kind])
	}
	if kind == 0 {
		return compareRequest(t, data) != nil
	}
	return compareResponse(t, data) != nil
}

// maxMutated bounds a message, in bytes, so that many are small.
const maxMutated = 4096

// mutate changes a message in one of the ways in which messages go wrong.
func (m *mutator) mutate(data []byte, others [][]byte) []byte {
	r := m.rng
	fields := topLevel(data)
	pick := func() []byte { return fields[r.IntN(len(fields))] }
	switch op := r.IntN(12); {
	case len(data) == 0 || len(data) > maxMutated:
		return others[r.IntN(len(others))]
	case op == 0: // cut
		return data[:r.IntN(len(data))]
	case op == 1: // a bit
		data[r.IntN(len(data))] ^= 1 << r.IntN(8)
	case op == 2: // a byte
		data[r.IntN(len(data))] = byte(r.Uint32())
	case op == 3: // fields in another order
		r.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
		return slices.Concat(fields...)
	case op == 4 && len(fields) > 0: // a field twice
		return slices.Insert(data, 0, pick()...)
	case op == 5 && len(fields) > 0: // a field of another message
		if more := topLevel(others[r.IntN(len(others))]); len(more) > 0 {
			return append(data, more[r.IntN(len(more))]...)
		}
	case op == 6: // an unknown field
		return append(data, unknown()...)
	case op == 7: // a claim of a length that isn't there
		at := r.IntN(len(data))
		return slices.Insert(data, at, binary.AppendUvarint([]byte{byte(1+r.IntN(15))<<3 | 2}, r.Uint64()>>r.IntN(64))...)
	case op == 8: // bytes in the middle of something
		other := others[r.IntN(len(others))]
		from := r.IntN(len(other) + 1)
		return slices.Insert(data, r.IntN(len(data)), other[from:min(len(other), from+r.IntN(16))]...)
	case op == 9: // bytes taken out
		at := r.IntN(len(data))
		return slices.Delete(data, at, min(len(data), at+1+r.IntN(4)))
	case op == 10: // another wire type, or another number
		data[r.IntN(len(data))] = byte(1+r.IntN(15))<<3 | byte(r.IntN(8))
	default: // a varint in more bytes than it needs
		at := r.IntN(len(data))
		return slices.Insert(data, at, 0x80|byte(r.IntN(128)), byte(r.IntN(2)))
	}
	return data
}

// topLevel are the fields of a message as far as it can be read.
func topLevel(data []byte) [][]byte {
	var fields [][]byte
	for c := (cursor{rest: data}); c.next(); {
		fields = append(fields, slices.Clone(c.span))
	}
	return fields
}

package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"sync"

	"github.com/cespare/xxhash/v2"

	"github.com/candor-gateway/candor/internal/wire"
)

// coins decide which rows are judged although nobody waits for them. A coin is made of the store's secret, the model version and
// the row's input: the same row is tossed once, whoever asks, however often, at whichever gateway. Safe for concurrent use.
type coins struct {
	seed uint64
	macs sync.Pool

	mu sync.Mutex
	// chosen and before are the rows that were chosen last, and those before them.
	chosen, before map[choice]struct{}
}

// choice is a row that was chosen, for the certificates of a place: another model with the same primary, or another segment, has
// certificates of its own, which want its verdict.
type choice struct {
	model, segment string
	input          inputDigest
}

// remembered is how many chosen rows each of both generations holds: some 10 MiB in all.
const remembered = 1 << 16

// again says that this row was chosen before, as far as is remembered: a retry shall not cost another verdict. The store, which
// forgets nothing, is who makes sure that an input is evidence once.
func (c *coins) again(d choice) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.chosen[d]; ok {
		return true
	}
	if _, ok := c.before[d]; ok {
		return true
	}
	if len(c.chosen) >= remembered {
		c.before, c.chosen = c.chosen, nil
	}
	if c.chosen == nil {
		c.chosen = map[choice]struct{}{}
	}
	c.chosen[d] = struct{}{}
	return false
}

// leastSecret is the shortest secret that coins are made of, in bytes.
const leastSecret = 32

func newCoins(secret []byte) (*coins, error) {
	if len(secret) < leastSecret {
		return nil, fmt.Errorf("the store's secret for coins has %d bytes, not %d", len(secret), leastSecret)
	}
	c := &coins{seed: binary.LittleEndian.Uint64(secret)}
	key := append([]byte(nil), secret...)
	c.macs.New = func() any { return hmac.New(sha256.New, key) }
	return c, nil
}

// inputDigest is 16 bytes that stand for an input of one model version.
type inputDigest [16]byte

// toss answers the digest of an input, and a number in [0,1) that is uniform over inputs. sum is the fast hash of the input's
// bytes, made with the seed.
func (c *coins) toss(scope string, sum uint64) (inputDigest, float64) {
	mac := c.macs.Get().(hash.Hash)
	defer c.macs.Put(mac)
	mac.Reset()
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], sum)
	mac.Write(b[:])
	mac.Write([]byte(scope))
	var out [sha256.Size]byte
	mac.Sum(out[:0])
	var d inputDigest
	copy(d[:], out[:])
	const bits = 53
	return d, float64(binary.LittleEndian.Uint64(out[16:])>>(64-bits)) / (1 << bits)
}

// inputSums are the fast hashes of the rows' inputs. What is shared by all rows of a batch is part of each. Errors: a tensor that
// can't be read.
func (c *call) inputSums(seed uint64) ([]uint64, error) {
	digests := make([]*xxhash.Digest, c.requestRows)
	for i := range digests {
		digests[i] = xxhash.NewWithSeed(seed)
	}
	for t := range c.req.Inputs {
		in := &c.req.Inputs[t]
		rows := c.requestRows
		if c.model.whole() || c.model.card.Shared(in.Name) {
			rows = 0
		}
		parts, err := in.RowBytes(rows)
		if err != nil {
			return nil, err
		}
		for i, d := range digests {
			part := parts[0]
			if rows > 0 {
				part = parts[i]
			}
			writeNamed(d, in, part)
		}
	}
	sums := make([]uint64, len(digests))
	for i, d := range digests {
		sums[i] = d.Sum64()
	}
	return sums, nil
}

// writeNamed keeps tensors apart: name, type and length go before the elements.
func writeNamed(d *xxhash.Digest, t *wire.Tensor, part []byte) {
	var n [8]byte
	_, _ = d.WriteString(t.Name)
	_, _ = d.WriteString(t.DatatypeName)
	binary.LittleEndian.PutUint64(n[:], uint64(len(part)))
	_, _ = d.Write(n[:])
	_, _ = d.Write(part)
}

package gateway

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"slices"
	"strings"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
	"github.com/candor-gateway/candor/review"
)

// joinKey is how long the key is by which identical rows find one another, in bytes: collisions are as likely as those of a UUID.
const joinKey = 16

// ofTransport are request parameters that say how to ask, and nothing of what is asked.
var ofTransport = []string{"priority", "timeout", "headers", "binary_data_output"}

// coalesce lets the items of a call's deferred rows share the answer of an identical one, where their queue says so. Rows that are
// evidence keep an item of their own: each is judged for itself.
func (g *Gateway) coalesce(c *call) {
	if c.part || inSequence(c.req) {
		return // What it asks is more than its inputs.
	}
	for i := range c.items {
		it := &c.items[i]
		cfg := c.model.plan.cfg.GetQueues()[it.Queue].GetCoalesce()
		if cfg == nil || it.Kind != candorv1.ReviewKind_REVIEW_KIND_DEFERRED || len(it.Sequences) > 0 || it.Input != nil {
			continue
		}
		key, err := c.identity(int(it.Row), it.Field)
		if err != nil {
			continue // Its inputs can't be read: nothing can be said to be like it.
		}
		it.Join = &review.Join{Key: key, Since: it.Created.Add(-cfg.GetWithin().AsDuration()), Max: cfg.GetMaxRows() - 1}
	}
}

// identity is a digest of all that makes a row's answer: model, version, policy, field, every input, and every request parameter that
// reaches the model. What a reviewer may not see is part of it, too: two rows that differ in it are not the same.
func (c *call) identity(requestRow int, field string) ([]byte, error) {
	h := sha256.New()
	for _, part := range []string{c.model.name, c.model.primary.Name(), c.model.backendCfg.GetVersion(), field, string(c.model.digest)} {
		writePart(h, []byte(part))
	}
	inputs := make([]*wire.Tensor, len(c.req.Inputs))
	for t := range c.req.Inputs {
		inputs[t] = &c.req.Inputs[t]
	}
	slices.SortStableFunc(inputs, func(a, b *wire.Tensor) int { return strings.Compare(a.Name, b.Name) })
	for _, in := range inputs {
		reader, row, err := c.rowsOf(in, requestRow)
		if err != nil {
			return nil, err
		}
		part, err := reader.Bytes(row)
		if err != nil {
			return nil, err
		}
		shape := in.Shape
		if !c.model.whole() && !c.model.card.Shared(in.Name) {
			shape = in.Shape[min(1, len(in.Shape)):]
		}
		writePart(h, []byte(in.Name))
		writePart(h, []byte(in.DatatypeName))
		writeNumber(h, uint64(len(shape)))
		for _, n := range shape {
			writeNumber(h, uint64(n))
		}
		writePart(h, part)
	}
	params := slices.Clone(c.req.Params)
	slices.SortStableFunc(params, func(a, b wire.Param) int { return strings.Compare(a.Key, b.Key) })
	for _, p := range params {
		if text, ok := paramText([]wire.Param{p}, p.Key); ok && !isOurs(p.Key) && !slices.Contains(ofTransport, p.Key) {
			writePart(h, []byte(p.Key))
			writeNumber(h, uint64(p.Kind))
			writePart(h, []byte(text))
		}
	}
	return h.Sum(nil)[:joinKey], nil
}

// writePart keeps parts apart by their length. A hash's Write has no errors.
func writePart(h hash.Hash, part []byte) {
	writeNumber(h, uint64(len(part)))
	h.Write(part)
}

func writeNumber(h hash.Hash, n uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	h.Write(b[:])
}

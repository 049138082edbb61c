package h2

import (
	"bytes"

	"golang.org/x/net/http2/hpack"
)

// Block is a header list that is sent again and again on one connection: as it is encoded the first time, which enters it into
// the other side's table, and as it is encoded from then on.
type Block struct{ First, Again []byte }

// Blocks encodes header lists, of names and values that alternate, for one connection to a peer that has announced its
// settings: one with a small table, or none, gets literals. The first forms are sent once each, in this order, before any of
// the later ones.
func Blocks(p Peer, lists ...[]string) []Block {
	var buf bytes.Buffer
	enc := hpack.NewEncoder(&buf)
	enc.SetMaxDynamicTableSizeLimit(p.HeaderTableSize)
	out := make([]Block, len(lists))
	for i, pairs := range lists {
		out[i].First = encode(enc, &buf, pairs, false)
	}
	// Only now does the table hold still.
	for i, pairs := range lists {
		out[i].Again = encode(enc, &buf, pairs, false)
	}
	return out
}

// Literal encodes a header list that is sent once, without touching the other side's table.
func Literal(pairs ...string) []byte {
	var buf bytes.Buffer
	return encode(hpack.NewEncoder(&buf), &buf, pairs, true)
}

func encode(enc *hpack.Encoder, buf *bytes.Buffer, pairs []string, literal bool) []byte {
	buf.Reset()
	for i := 0; i+1 < len(pairs); i += 2 {
		// A bytes.Buffer takes everything.
		_ = enc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1], Sensitive: literal})
	}
	return bytes.Clone(buf.Bytes())
}

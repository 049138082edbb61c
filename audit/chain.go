package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// hashTag separates these hashes from every other use of SHA-256, and one version of this layout from the next.
const hashTag = "candor/audit/entry/v1"

// Entry is one record in its place in a writer's chain.
type Entry struct {
	Writer string
	// Seq counts from 1, without gaps.
	Seq uint64
	// Data is the record as Encode made it.
	Data []byte
	// Hash covers the writer, Seq, the hash before and Data.
	Hash [sha256.Size]byte
}

// Chain is the end of a writer's log: what the next entry is chained to. It is a value; a copy is a point to go back to when
// a transaction is rolled back. Not safe for concurrent use.
type Chain struct {
	Writer string
	// Seq is the last entry's number; 0: none yet.
	Seq uint64
	// Head is the last entry's hash; at Seq 0 the chain's origin, which may be anything (all zeros, or another chain's head).
	Head [sha256.Size]byte
}

// Append moves the chain on by one entry with that data, which the entry keeps.
func (c *Chain) Append(data []byte) Entry {
	c.Seq++
	c.Head = hash(c.Writer, c.Seq, c.Head, data)
	return Entry{Writer: c.Writer, Seq: c.Seq, Data: data, Hash: c.Head}
}

// hash frames every part of variable length by its length, so that no two entries are the same bytes.
func hash(writer string, seq uint64, previous [sha256.Size]byte, data []byte) [sha256.Size]byte {
	var room [1024]byte // of most entries: it stays off the heap
	b := slices.Grow(room[:0], 3*8+len(hashTag)+len(writer)+8+len(previous)+len(data))
	frame := func(part string) {
		b = binary.BigEndian.AppendUint64(b, uint64(len(part)))
		b = append(b, part...)
	}
	frame(hashTag)
	frame(writer)
	b = binary.BigEndian.AppendUint64(b, seq)
	b = append(b, previous[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(len(data)))
	b = append(b, data...)
	return sha256.Sum256(b)
}

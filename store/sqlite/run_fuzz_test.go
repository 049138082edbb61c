package sqlite

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"testing"
)

// pack is the inverse of unpack.
func pack(records []packedRecord) []byte {
	var out []byte
	for _, p := range records {
		out = binary.AppendUvarint(out, uint64(len(p.data)))
		out = append(append(out, p.data...), p.hash...)
	}
	return out
}

// Whatever lies in a run's row, it is taken apart without a panic, nothing of it is left out, and what is whole is what was packed.
func FuzzUnpack(f *testing.F) {
	hash := bytes.Repeat([]byte{7}, sha256.Size)
	whole := pack([]packedRecord{{[]byte("a record"), hash}, {nil, hash}, {bytes.Repeat([]byte("x"), 300), hash}})
	for _, seed := range [][]byte{
		nil, whole, whole[:len(whole)-1], whole[:9], {0x80}, bytes.Repeat([]byte{0xff}, 11), {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, records []byte) {
		var got []packedRecord
		var broken []byte
		unpack(records, func(data, hash []byte) {
			switch {
			case broken != nil:
				t.Fatal("something comes after what can't be read")
			case hash == nil:
				broken = data
			case len(hash) != sha256.Size:
				t.Fatalf("a hash of %d bytes", len(hash))
			default:
				got = append(got, packedRecord{data, hash})
			}
		})
		if !bytes.HasSuffix(records, broken) {
			t.Fatal("what can't be read isn't the rest")
		}
		again := pack(got)
		// A length may have been spelled out longer than it need be.
		if rest := len(records) - len(broken); len(again) > rest || len(got) == 0 && rest > 0 {
			t.Fatalf("%d records of %d bytes in %d", len(got), len(again), rest)
		}
		n := 0
		unpack(again, func(data, hash []byte) {
			if n >= len(got) || !bytes.Equal(data, got[n].data) || !bytes.Equal(hash, got[n].hash) {
				t.Fatalf("record %d changed", n)
			}
			n++
		})
		if n != len(got) {
			t.Fatalf("%d of %d records", n, len(got))
		}
	})
}

package wire

import (
	"bytes"
	"sync"
	"testing"
)

func TestBuffersOfEveryLength(t *testing.T) {
	var p buffers
	for _, n := range []int{0, 1, 4095, 4096, 4097, 16 << 10, 600_000, 1 << 20, 1<<20 + 1, 5 << 20} {
		for range 2 {
			b := p.Get(n)
			if len(*b) != n {
				t.Fatalf("a buffer of %d bytes for %d", len(*b), n)
			}
			if n <= 1<<mostTier && cap(*b) >= 2*max(n, 1<<leastTier) {
				t.Errorf("%d bytes are kept for %d", cap(*b), n)
			}
			*b = (*b)[:n/2] // what is given back may be shorter
			p.Put(b)
		}
	}
	for _, n := range []int{0, 100, 5000, 3 << 20} {
		b := make([]byte, n)
		p.Put(&b)
	}
	for range 100 {
		if b := p.Get(8192); len(*b) != 8192 {
			t.Fatalf("a buffer of %d bytes", len(*b))
		}
	}
}

// Nobody has a buffer that somebody else has.
func TestBuffersAreLentOnce(t *testing.T) {
	var p buffers
	var all sync.WaitGroup
	for who := range byte(8) {
		all.Go(func() {
			for n := 1; n < 300_000; n = n*3/2 + 1 {
				b := p.Get(n)
				for i := range *b {
					(*b)[i] = who
				}
				if want := bytes.Repeat([]byte{who}, n); !bytes.Equal(*b, want) {
					t.Errorf("a buffer of %d bytes was written by others", n)
				}
				p.Put(b)
			}
		})
	}
	all.Wait()
}

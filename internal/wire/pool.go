package wire

import (
	"math/bits"
	"sync"

	"google.golang.org/grpc/mem"
)

// Buffers is the pool of buffers for messages on their way through. grpc-go's own clears a buffer whenever it lends it, the whole of
// it, which costs a picture of 600 kB a twentieth of all that it costs us; here a buffer comes as it was left. So whoever takes one
// writes every byte that is read later, as grpc-go does with frames from the network, and as compression does.
var Buffers mem.BufferPool = new(buffers)

// Tiers are powers of two: a page; a frame of grpc-go's, which is the most that one is made of; and what only messages that are
// taken together need. What is larger is left to the garbage collector.
const (
	leastTier = 12
	mostTier  = 20
)

// buffers is safe for concurrent use.
type buffers struct {
	tiers [mostTier - leastTier + 1]sync.Pool
}

// Get returns a buffer of that length, whose bytes may be anything.
func (p *buffers) Get(length int) *[]byte {
	tier := max(bits.Len(uint(max(length, 1)-1)), leastTier)
	if tier > mostTier {
		b := make([]byte, length)
		return &b
	}
	b, ok := p.tiers[tier-leastTier].Get().(*[]byte)
	if !ok {
		b = new([]byte)
		*b = make([]byte, 1<<tier)
	}
	*b = (*b)[:length]
	return b
}

// Put takes back a buffer, of which the caller keeps no part. One that isn't of ours is kept where it serves.
func (p *buffers) Put(b *[]byte) {
	tier := bits.Len(uint(cap(*b))) - 1
	if tier >= leastTier && tier <= mostTier {
		p.tiers[tier-leastTier].Put(b)
	}
}

// lent is a buffer of the pool's that somebody appends to.
type lent struct{ buffer *[]byte }

func lend() lent { return lent{Buffers.Get(1 << leastTier)} }

func (l lent) empty() []byte { return (*l.buffer)[:0] }

func (l lent) giveBack() { Buffers.Put(l.buffer) }

// addLent appends to the frame what was appended to the lent buffer, which goes back when the frame's references are given up. Where it
// was too small, or nothing was appended, it goes back now.
func (f *Frame) addLent(l lent, b []byte) {
	if len(b) == 0 || cap(b) != cap(*l.buffer) {
		l.giveBack()
		f.add(b)
		return
	}
	*l.buffer = b
	f.attach(mem.NewBuffer(l.buffer, Buffers))
	f.counted = true
}

package limits

import (
	"context"
	"testing"
	"time"
)

// BenchmarkAcquire is the price of an answer whose permit is in hand. A lease of all permits for an hour keeps the store out
// of it; the clock moves on by 1 ms each time, so that the window holds 1,000.
func BenchmarkAcquire(b *testing.B) {
	for name, defs := range map[string][]Definition{
		"uncovered": {{Name: "a", Action: "page", MaxCount: 1, Window: time.Second}},
		"one":       {{Name: "a", Action: "decline", MaxCount: 1_000_000, Window: time.Second}},
		"three": {
			{Name: "a", Action: "decline", MaxCount: 1_000_000, Window: time.Second},
			{Name: "b", Action: "decline", Model: "fraud", MaxCount: 1_000_000, Window: time.Second},
			{Name: "c", Action: "decline", Consumer: "shop", MaxCount: 1_000_000, Window: time.Second},
		},
	} {
		b.Run(name, func(b *testing.B) {
			g := newGate(b, newMemStore(b), epoch, Options{MaxLease: 1 << 40, LeaseFor: 365 * 24 * time.Hour}, defs...)
			a := Answer{Action: "decline", Model: "fraud", Consumer: "shop"}
			now, ctx := epoch, context.Background()
			b.ReportAllocs()
			for b.Loop() {
				now = now.Add(time.Millisecond)
				if v := g.Acquire(ctx, now, a); !v.Released {
					b.Fatalf("%+v", v)
				}
			}
		})
	}
}

// BenchmarkAcquireLatched is the price of an answer that a latch withholds.
func BenchmarkAcquireLatched(b *testing.B) {
	g := newGate(b, newMemStore(b), epoch, Options{}, declines(1, time.Hour))
	a, ctx := Answer{Action: "decline"}, context.Background()
	for range 2 {
		g.Acquire(ctx, epoch, a)
	}
	b.ReportAllocs()
	for b.Loop() {
		if v := g.Acquire(ctx, epoch, a); v.Released {
			b.Fatal("released")
		}
	}
}

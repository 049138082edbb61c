package gateway

import (
	"bytes"
	"encoding/binary"
	"math"
	"sync"
	"testing"
)

func testCoins(t *testing.T, secret byte) *coins {
	t.Helper()
	c, err := newCoins(bytes.Repeat([]byte{secret}, leastSecret))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestShortSecret(t *testing.T) {
	if _, err := newCoins(make([]byte, leastSecret-1)); err == nil {
		t.Error("coins were made of a short secret")
	}
}

// Whoever asks, at whichever gateway of a store: the coin is the same. Another version, secret or input has another.
func TestTossIsDeterministic(t *testing.T) {
	digest, u := testCoins(t, 1).toss("small\x001", 7)
	if d, v := testCoins(t, 1).toss("small\x001", 7); d != digest || v != u {
		t.Error("the same input has another coin")
	}
	for name, other := range map[string]func() (inputDigest, float64){
		"version": func() (inputDigest, float64) { return testCoins(t, 1).toss("small\x002", 7) },
		"secret":  func() (inputDigest, float64) { return testCoins(t, 2).toss("small\x001", 7) },
		"input":   func() (inputDigest, float64) { return testCoins(t, 1).toss("small\x001", 8) },
	} {
		if d, v := other(); d == digest || v == u {
			t.Errorf("another %s has the same coin", name)
		}
	}
}

// The numbers are uniform on [0,1): the Kolmogorov-Smirnov distance of n of them stays below 1.95/√n, its 99.9th percentile.
func TestTossIsUniform(t *testing.T) {
	const n, bins = 20000, 1000
	c := testCoins(t, 3)
	var counts [bins]int
	for i := range uint64(n) {
		_, u := c.toss("m", i)
		if !(u >= 0 && u < 1) {
			t.Fatalf("%v", u)
		}
		counts[int(u*bins)]++
	}
	seen, worst := 0, 0.0
	for i, k := range counts {
		seen += k
		worst = math.Max(worst, math.Abs(float64(seen)/n-float64(i+1)/bins))
	}
	if worst > 1.95/math.Sqrt(n) {
		t.Errorf("the distance from uniform is %v", worst)
	}
}

func TestTossIsSafeForConcurrentUse(t *testing.T) {
	c := testCoins(t, 4)
	want, u := c.toss("m", 1)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range uint64(500) {
				c.toss("m", i)
				if d, v := c.toss("m", 1); d != want || v != u {
					t.Error("a coin changed")
					return
				}
			}
		})
	}
	wg.Wait()
}

// At least the last 64k chosen rows are remembered, at most twice as many.
func TestAgain(t *testing.T) {
	c := &coins{}
	nth := func(i int) (d choice) {
		binary.LittleEndian.PutUint64(d.input[:], uint64(i))
		return d
	}
	const rows = 3 * remembered
	for i := range rows {
		if c.again(nth(i)) {
			t.Fatalf("row %d was never chosen", i)
		}
	}
	for i := rows - remembered; i < rows; i++ {
		if !c.again(nth(i)) {
			t.Fatalf("row %d of %d is forgotten", i, rows)
		}
	}
	if c.again(nth(0)) {
		t.Error("the first row is still remembered")
	}
	if n := len(c.chosen) + len(c.before); n > 2*remembered {
		t.Errorf("%d rows are remembered", n)
	}
}

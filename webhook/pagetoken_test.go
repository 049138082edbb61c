package webhook

import (
	"errors"
	"math"
	"testing"
)

// What ParsePageToken takes, PageToken has made.
func FuzzParsePageToken(f *testing.F) {
	id := ID("payments", Event{Position: 7, Key: "k"})
	for _, position := range []uint64{0, 7, math.MaxInt64} {
		token := PageToken(Delivery{Position: position, ID: id})
		if at, of, err := ParsePageToken(token); err != nil || uint64(at) != position || of != id {
			f.Errorf("%q: %d, %q, %v", token, at, of, err)
		}
		f.Add(token)
	}
	for _, bad := range []string{"", "7", "7.", "7.x", "07." + id, "+7." + id, "-7." + id, "7." + id[:len(id)-1], "7." + id + "\n", "9223372036854775808." + id} {
		if _, _, err := ParsePageToken(bad); !errors.Is(err, ErrPageToken) {
			f.Errorf("%q: %v; want ErrPageToken", bad, err)
		}
		f.Add(bad)
	}
	f.Fuzz(func(t *testing.T, token string) {
		at, id, err := ParsePageToken(token)
		switch {
		case err != nil:
			if !errors.Is(err, ErrPageToken) {
				t.Errorf("%q: %v", token, err)
			}
		case PageToken(Delivery{Position: uint64(at), ID: id}) != token:
			t.Errorf("%q is %d and %q, which is another token", token, at, id)
		}
	})
}

package review

import (
	"errors"
	"testing"
	"time"
)

func FuzzParsePageToken(f *testing.F) {
	f.Add(PageToken(Item{ID: "0198c0de-0000-7000-8000-000000000000", Created: morning}))
	f.Add(PageToken(Item{ID: "a/b", Created: time.UnixMicro(-1)}))
	f.Add("")
	f.Add("MTIzLw")
	f.Fuzz(func(t *testing.T, token string) {
		created, id, err := ParsePageToken(token)
		if err != nil {
			if !errors.Is(err, ErrPageToken) {
				t.Errorf("%q: %v", token, err)
			}
			return
		}
		if again := PageToken(Item{ID: id, Created: created}); again != token {
			t.Errorf("%q is %v and %q, which is %q", token, created, id, again)
		}
	})
}

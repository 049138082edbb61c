package gateway

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/candor-gateway/candor/people"
)

func TestWhileKnown(t *testing.T) {
	for name, tc := range map[string]struct {
		answers []error
		ends    time.Duration // 0: it doesn't, while there are answers
	}{
		"revoked":        {[]error{nil, nil, people.ErrNotFound}, 3 * recheckEvery},
		"refused":        {[]error{people.ErrRefused}, recheckEvery},
		"no word of it":  {[]error{errors.New("disk"), people.ErrProvider, nil}, 0},
		"in the end, no": {[]error{errors.New("disk"), people.ErrNotFound}, 2 * recheckEvery},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, answers := time.Now(), tc.answers
				p := &Principal{again: func(context.Context) error {
					if len(answers) == 0 {
						return nil
					}
					err := answers[0]
					answers = answers[1:]
					return err
				}}
				ctx, ended, stop := whileKnown(t.Context(), p)
				defer stop()
				select {
				case <-ctx.Done():
					if tc.ends == 0 || time.Since(began) != tc.ends || !ended() {
						t.Errorf("ended after %v, %v", time.Since(began), ended())
					}
				case <-time.After(time.Hour):
					if tc.ends != 0 || ended() {
						t.Error("it goes on")
					}
				}
			})
		})
	}
	ctx, ended, stop := whileKnown(t.Context(), &Principal{})
	stop()
	if ctx.Err() != nil || ended() {
		t.Error("who is known by the configuration has ended")
	}
}

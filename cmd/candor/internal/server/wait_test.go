package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/candor-gateway/candor/gateway"
	"github.com/candor-gateway/candor/internal/faultproxy"
	"github.com/candor-gateway/candor/internal/heldport"
	"github.com/candor-gateway/candor/store/postgres"
	"github.com/candor-gateway/candor/store/postgres/pgtest"
)

// onPostgres is a configuration whose store is there, with wait as it says.
func onPostgres(s *subject, at, wait string) {
	s.text = strings.Replace(s.text, "sqlite: {path: candor.db}", "postgres: {url: '"+at+"'}, wait: "+wait, 1)
	write(s.T, s.file(), s.text)
}

// says waits until the log has said something.
func (s *subject) says(text string) {
	s.Helper()
	for end := time.Now().Add(patience); s.log.count(text) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			s.Fatalf("the log doesn't say %q: %s", text, s.log.text.String())
		}
	}
}

// serve runs the configuration until ctx ends, and answers how that ended.
func (s *subject) serve(ctx context.Context, ready func(gateway.Addrs)) <-chan error {
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Options{Config: s.file(), Log: slog.New(slog.NewTextHandler(s.log, nil)), Version: "test", Ready: ready})
	}()
	return ended
}

// A server that isn't there is waited for: with a word of it, and until the process is told to stop, which is no failure.
func TestStopWhileItWaits(t *testing.T) {
	t.Parallel()
	s := newSubject(t, plainConfig)
	onPostgres(s, "postgres://candor@"+heldport.For(t)+"/candor?sslmode=disable", "1h")
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := s.serve(ctx, nil)
	s.says("waiting for the store")
	cancel(errors.New("terminated signal received"))
	select {
	case err := <-ended:
		if err != nil || s.log.count("stopped before anything was served") != 1 {
			t.Errorf("ended with %v: %s", err, s.log.text.String())
		}
	case <-time.After(patience):
		t.Fatal("it goes on waiting")
	}
}

// Only who has served nothing says so, and only the stop's own doing is no failure.
func TestStopped(t *testing.T) {
	broken := errors.New("the disk is full")
	over, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("terminated signal received"))
	for name, tc := range map[string]struct {
		ctx    context.Context
		served bool
		err    error
		want   error
		unused int
	}{
		"while it waits":             {over, false, fmt.Errorf("dial: %w", context.Canceled), nil, 1},
		"while it waits, its reason": {over, false, context.Cause(over), nil, 1},
		"after it served":            {over, true, fmt.Errorf("close: %w", context.Canceled), nil, 0},
		"a clean stop":               {over, true, nil, nil, 0},
		"a failure":                  {over, true, broken, broken, 0},
		"a failure of the start":     {over, false, broken, broken, 0},
		"nobody stopped it":          {t.Context(), false, context.Canceled, context.Canceled, 0},
	} {
		log := &lines{}
		err := stopped(tc.ctx, slog.New(slog.NewTextHandler(log, nil)), tc.served, tc.err)
		if err != tc.want || log.count("stopped before anything was served") != tc.unused {
			t.Errorf("%s: %v: %s", name, err, log.text.String())
		}
	}
}

// The patience is over, or there is none: the error has the remedy.
func TestItWaitedInVain(t *testing.T) {
	t.Parallel()
	for wait, waited := range map[string]bool{"0s": false, "300ms": true} {
		s := newSubject(t, plainConfig)
		onPostgres(s, "postgres://candor@"+heldport.For(t)+"/candor?sslmode=disable", wait)
		err := <-s.serve(t.Context(), nil)
		if !errors.Is(err, postgres.ErrUnreachable) || !strings.HasSuffix(err.Error(), "; start the server, or correct store.postgres.url") ||
			strings.Contains(err.Error(), "as store.wait says") != waited || (s.log.count("waiting for the store") > 0) != waited {
			t.Errorf("wait %s: %v; told %s", wait, err, s.log.text.String())
		}
	}
}

// A gateway that starts before its PostgreSQL, or while that is held up, serves when it is there. What waiting can't mend isn't waited for.
func TestItStartsBeforePostgres(t *testing.T) {
	t.Parallel()
	pgtest.Skip(t)
	u, err := url.Parse(pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	server, at := u.Host, heldport.For(t)
	if folder := u.Query().Get("host"); folder != "" {
		server = filepath.Join(folder, ".s.PGSQL.5432")
	}
	u.Host, u.RawQuery = at, "sslmode=disable"
	s := newSubject(t, plainConfig)
	onPostgres(s, u.String(), "5m")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := s.serve(ctx, nil)
	s.says("waiting for the store")
	network := faultproxy.StartAt(t, at, server)
	select {
	case err := <-ended:
		if !errors.Is(err, postgres.ErrAbsent) {
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatal("a database without a store is waited for")
	}
	if _, _, err := Init(t.Context(), s.file()); err != nil {
		t.Fatal(err)
	}
	s.log = &lines{}
	network.Set(faultproxy.Fault{Blackhole: true})
	ready := make(chan gateway.Addrs, 1)
	ended = s.serve(ctx, func(a gateway.Addrs) { ready <- a })
	s.says("waiting for the store")
	network.Set(faultproxy.Fault{})
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	case <-time.After(patience):
		t.Fatal("it does not serve")
	}
	s.says("the store answers")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

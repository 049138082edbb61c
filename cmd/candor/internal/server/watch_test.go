package server

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Without events from the system a change is noticed by looking; what is being written is left alone until it stays as it is.
func TestWatcherThatOnlyLooks(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a")
	write(t, file, "1")
	synctest.Test(t, func(t *testing.T) {
		w := &watcher{log: slog.New(slog.DiscardHandler)}
		w.follow([]string{file})
		if !w.next(t.Context(), nil) {
			t.Fatal("what the file held at first is not told of")
		}
		w.follow([]string{file})
		write(t, file, "2")
		began := time.Now()
		if !w.next(t.Context(), nil) || time.Since(began) != pollEvery+quiet {
			t.Errorf("told after %v", time.Since(began))
		}

		// It changes until a while after it was noticed.
		write(t, file, "3")
		began = time.Now()
		go func() {
			for i := range 5 {
				time.Sleep(pollEvery/4 + quiet/2)
				write(t, file, string(rune('a'+i)))
			}
		}()
		if !w.next(t.Context(), nil) || contentOf([]string{file}) != w.seen {
			t.Errorf("told after %v of what is no more", time.Since(began))
		}

		w.forget()
		began = time.Now()
		if !w.next(t.Context(), nil) || time.Since(began) != pollEvery+quiet {
			t.Errorf("told again after %v", time.Since(began))
		}

		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if !w.next(t.Context(), nil) {
			t.Error("that a file is gone is no change")
		}

		hangup := make(chan os.Signal, 1)
		hangup <- syscall.SIGHUP
		if w.next(t.Context(), hangup) {
			t.Error("asked by hand, and told of a change")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*pollEvery)
		defer cancel()
		if w.next(ctx, nil) {
			t.Error("told of nothing")
		}
	})
}

// Who watches nothing is told of nothing.
func TestWatcherOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*pollEvery)
		defer cancel()
		if w := (&watcher{log: slog.New(slog.DiscardHandler)}); w.next(ctx, nil) || ctx.Err() == nil {
			t.Error("told of a change of no file")
		}
	})
}

// A change is told of, although something else in the folder, as a store's file, is written without a pause.
func TestWatcherBesideABusyFile(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "candor.yaml")
	write(t, file, "1")
	w := newWatcher(slog.New(slog.DiscardHandler))
	if w.events == nil {
		t.Skip("the system tells of no changes")
	}
	defer func() { _ = w.close() }()
	w.follow([]string{file})
	if !w.next(t.Context(), nil) {
		t.Fatal("what the file held at first is not told of")
	}
	ctx, stop := context.WithTimeout(t.Context(), 2*pollEvery)
	defer stop()
	var busy sync.WaitGroup
	defer busy.Wait()
	busy.Go(func() {
		for ctx.Err() == nil {
			_ = os.WriteFile(filepath.Join(folder, "candor.db-wal"), []byte("x"), 0o600)
			time.Sleep(quiet / 30)
		}
	})
	write(t, file, "2")
	if !w.next(ctx, nil) {
		t.Error("a change was not noticed beside a file that is always written")
	}
	// What is to be tried again is not, because of the other file, before its time has come.
	w.forget()
	soon, cancel := context.WithTimeout(ctx, 5*quiet)
	defer cancel()
	if w.next(soon, nil) {
		t.Error("what was forgotten was told of as soon as something else was written")
	}
	stop()
}

// What a configuration names may be anything: a pipe that nobody writes to, a device without an end, a folder. It is not read, and when a file
// takes its place that is a change.
func TestWatcherOfWhatIsNoFile(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skipf("no pipes here: %v", err)
	}
	files := []string{pipe, "/dev/zero", t.TempDir()}
	looked := make(chan [sha256.Size]byte, 1)
	go func() { looked <- contentOf(files) }()
	var before [sha256.Size]byte
	select {
	case before = <-looked:
	case <-time.After(patience):
		t.Fatal("it reads what is no file")
	}
	if contentOf(files) != before {
		t.Error("what isn't read has changed")
	}
	if err := os.Remove(pipe); err != nil {
		t.Fatal(err)
	}
	write(t, pipe, "1")
	if contentOf(files) == before {
		t.Error("that there is a file now is no change")
	}
	// Nothing beyond the bound is read.
	write(t, pipe, string(make([]byte, maxWatched)))
	full := contentOf(files)
	write(t, pipe, string(make([]byte, maxWatched+1)))
	if contentOf(files) != full {
		t.Error("more is read than any file of a configuration may have")
	}
}

func TestWatched(t *testing.T) {
	cfg := &candorv1.Config{
		Listen:   &candorv1.Listen{Tls: &candorv1.ServerTLS{CertFile: "/s.crt", KeyFile: "/s.key"}},
		Backends: map[string]*candorv1.Backend{"a": {Tls: &candorv1.ClientTLS{CaFile: "/ca", CertFile: "/s.crt"}}, "b": {}},
		People:   &candorv1.People{Oidc: &candorv1.OIDC{ClientSecretFile: "/client"}},
		Limits:   map[string]*candorv1.LimitConfig{"l": {Alerts: []*candorv1.AlertReceiver{{SecretFile: "/secret"}, {}}}},
	}
	if got := watched("/c.yaml", cfg); !slices.Equal(got, []string{"/c.yaml", "/ca", "/client", "/s.crt", "/s.key", "/secret"}) {
		t.Errorf("%q", got)
	}
}

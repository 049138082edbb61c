package server

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

const (
	// pollEvery is how late a change is noticed where the file system tells of none, as network file systems and some mounts in
	// containers do.
	pollEvery = 10 * time.Second
	// quiet is how long the files must have held the same: an editor and `cp` write a file in pieces, a certificate and its key come one
	// after the other.
	quiet = 300 * time.Millisecond
	// maxWatched is how many bytes of a file are looked at: more than any file of a configuration may have.
	maxWatched = 16 << 20
)

// watched are the files that configurations are made of: their own, and those of TLS, of the secrets that sign alerts and of that of an OpenID client, whose text is
// part of them. Of one that was refused they are watched, too: it may be for one of them.
// An empty file is none of them.
func watched(file string, all ...*candorv1.Config) []string {
	names := []string{file}
	for _, cfg := range all {
		names = append(names, named(cfg)...)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == "" })
	slices.Sort(names)
	return slices.Compact(names)
}

// irregular says that a file is there and is none that can be read again and again, but a pipe or the like: what came through it is gone, and
// a read may wait for ever.
func irregular(file string) bool {
	info, err := os.Stat(file)
	return err == nil && !info.Mode().IsRegular()
}

// named are the files that a configuration names.
func named(cfg *candorv1.Config) (names []string) {
	if t := cfg.GetListen().GetTls(); t != nil {
		names = append(names, t.GetCertFile(), t.GetKeyFile(), t.GetClientCaFile())
	}
	for _, b := range cfg.GetBackends() {
		if t := b.GetTls(); t != nil {
			names = append(names, t.GetCaFile(), t.GetCertFile(), t.GetKeyFile())
		}
	}
	names = append(names, cfg.GetPeople().GetOidc().GetClientSecretFile())
	for _, l := range cfg.GetLimits() {
		for _, a := range l.GetAlerts() {
			names = append(names, a.GetSecretFile())
		}
	}
	return names
}

// watcher tells when the content of files has changed. It belongs to one goroutine.
type watcher struct {
	files []string
	// seen is the content when it was last told of, or begun with.
	seen [sha256.Size]byte
	// fresh: nobody has looked at these files yet. again: what they hold is to be told of once more.
	fresh, again bool
	events       *fsnotify.Watcher
	log          *slog.Logger
}

// newWatcher watches what follow says. Where the system has no events to give, it looks from time to time.
func newWatcher(log *slog.Logger) *watcher {
	w := &watcher{log: log}
	var err error
	if w.events, err = fsnotify.NewWatcher(); err != nil {
		log.Warn("changes of files are noticed by looking every "+pollEvery.String()+" only", slog.Any("error", err))
	}
	return w
}

// follow watches these files from now on. Of files that it didn't watch before, what they hold is told of at once: they may have changed
// since somebody read them.
func (w *watcher) follow(files []string) {
	if !slices.Equal(files, w.files) {
		w.files, w.seen, w.fresh, w.again = files, [sha256.Size]byte{}, true, false
	}
	if w.events == nil {
		return
	}
	// Folders, because a file that is replaced is another one; and those of symbolic links' targets, which is where Kubernetes swaps a
	// ConfigMap, besides the link ..data beside them.
	var folders []string
	for _, name := range files {
		folders = append(folders, filepath.Dir(name))
		if real, err := filepath.EvalSymlinks(name); err == nil {
			folders = append(folders, filepath.Dir(real))
		}
	}
	for _, old := range w.events.WatchList() {
		if !slices.Contains(folders, old) {
			// The error says that the folder has gone, and with it the watch.
			_ = w.events.Remove(old)
		}
	}
	for _, folder := range folders {
		if err := w.events.Add(folder); err != nil {
			w.log.Debug("a folder tells of no changes; its files are looked at every "+pollEvery.String(), slog.String("folder", folder), slog.Any("error", err))
		}
	}
}

// next waits until the files hold something else than before, and have been left alone for a moment. false: ctx has ended, or wake has
// fired.
func (w *watcher) next(ctx context.Context, wake <-chan os.Signal) bool {
	var poll <-chan time.Time
	if len(w.files) > 0 {
		ticker := time.NewTicker(pollEvery)
		defer ticker.Stop()
		poll = ticker.C
	}
	var events chan fsnotify.Event
	var faults chan error
	if w.events != nil {
		events, faults = w.events.Events, w.events.Errors
	}
	var settle <-chan time.Time
	if w.fresh {
		settle, w.fresh = time.After(0), false
	}
	pending := w.seen
	for {
		select {
		case <-ctx.Done():
			return false
		case <-wake:
			return false
		case <-faults:
			// Events were lost; looking tells.
			settle = after(settle, quiet)
		case <-events:
			settle = after(settle, quiet)
		case <-poll:
			if w.again {
				w.seen, w.again = [sha256.Size]byte{}, false
				pending = w.seen
			}
			settle = after(settle, 0)
		case <-settle:
			settle = nil
			switch now := contentOf(w.files); {
			case now == w.seen:
			case now != pending:
				// Twice the same, so that nothing is read that is being written.
				pending, settle = now, time.After(quiet)
			default:
				w.seen, w.again = now, false
				return true
			}
		}
	}
}

// forget has next tell of what the files hold now as if it had changed, at the next look from time to time; not sooner, whatever else is
// written in the same folders.
func (w *watcher) forget() { w.again = true }

// after is when to look: as was meant before, for whatever is written in the same folders without a pause (a store's files) must not
// put it off; else after a while.
func after(meant <-chan time.Time, d time.Duration) <-chan time.Time {
	if meant != nil {
		return meant
	}
	return time.After(d)
}

func (w *watcher) close() error {
	if w.events == nil {
		return nil
	}
	return w.events.Close()
}

// contentOf is a digest of what the files hold. One that can't be read has a content of its own: that it is back is a change.
func contentOf(files []string) (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, name := range files {
		of, err := digest(name)
		if err != nil {
			of = sha256.Sum256([]byte("unreadable " + name))
		}
		h.Write(of[:])
	}
	h.Sum(sum[:0])
	return sum
}

// digest is of a file's first bytes, up to maxWatched. One that isn't regular isn't opened: a pipe may have nobody at its other end, and a
// device no end.
func digest(name string) (sum [sha256.Size]byte, err error) {
	info, err := os.Stat(name)
	if err != nil {
		return sum, err
	}
	if !info.Mode().IsRegular() {
		return sum, fmt.Errorf("%s is not a regular file", name)
	}
	file, err := os.Open(name)
	if err != nil {
		return sum, err
	}
	defer func() { _ = file.Close() }()
	h := sha256.New()
	_, err = io.Copy(h, io.LimitReader(file, maxWatched))
	h.Sum(sum[:0])
	return sum, err
}

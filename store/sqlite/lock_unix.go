//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package sqlite

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// processLock keeps a second serving process out. The kernel drops it with the process, however that ends; the file stays
// and means nothing by itself.
type processLock struct{ file *os.File }

// lockProcess takes the lock without waiting. Errors: ErrLocked.
func lockProcess(path string) (*processLock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrLocked
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return &processLock{f}, nil
}

func (l *processLock) release() error { return l.file.Close() }

package load

import (
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ticker wakes up exactly. The timers of Go's runtime sleep in whole milliseconds when nothing else is to do, and would turn
// 4,000 requests a second into bursts of four; a timerfd doesn't, and waits in the same poller as the sockets.
type ticker struct {
	file *os.File
	once sync.Once
}

func newTicker(every time.Duration) (*ticker, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	at := unix.NsecToTimespec(int64(every))
	if err := unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Interval: at, Value: at}, nil); err != nil {
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("timerfd_settime", err)
	}
	return &ticker{file: os.NewFile(uintptr(fd), "timerfd")}, nil
}

// wait returns at the next tick, or at once if ticks were missed.
func (t *ticker) wait() error {
	var b [8]byte // how many ticks have passed; the clock says so, too
	_, err := t.file.Read(b[:])
	return err
}

// close ends a wait.
func (t *ticker) close() { t.once.Do(func() { _ = t.file.Close() }) }

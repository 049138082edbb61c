package process

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Cores are the CPUs that this process may use.
func Cores() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, os.NewSyscallError("sched_getaffinity", err)
	}
	var cores []int
	for i := range len(set) * strconv.IntSize {
		if set.IsSet(i) {
			cores = append(cores, i)
		}
	}
	return cores, nil
}

// PinSelf puts all threads of this process on a core, and its Go code on one thread at a time.
func PinSelf(core int) error {
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, e := range entries {
		tid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if err := pin(tid, core); err != nil {
			return err
		}
	}
	runtime.GOMAXPROCS(1)
	return nil
}

func pin(tid, core int) error {
	var set unix.CPUSet
	set.Set(core)
	if err := unix.SchedSetaffinity(tid, &set); err != nil {
		return fmt.Errorf("CPU %d: %w", core, os.NewSyscallError("sched_setaffinity", err))
	}
	return nil
}

// attributes put a process into a group of its own, so that an interrupt from the terminal reaches only the benchmark, which
// then stops it; and end it when the benchmark is killed. (That is bound to the thread that starts it; Go keeps its threads.)
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// startOn calls start on a thread that is on the core: what it starts inherits that, and a Go program sees one CPU.
func startOn(core int, start func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return os.NewSyscallError("sched_getaffinity", err)
	}
	if err := pin(0, core); err != nil {
		return err
	}
	err := start()
	if back := unix.SchedSetaffinity(0, &before); err == nil && back != nil {
		return os.NewSyscallError("sched_setaffinity", back)
	}
	return err
}

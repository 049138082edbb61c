package process

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CPU is the time that a process and its descendants have used, user and system, in all threads, those that ended included.
// It is exact to the scheduler's nanoseconds, where /proc/PID/stat counts hundredths of seconds.
func CPU(pid int) (time.Duration, error) {
	var sum time.Duration
	for _, p := range tree(pid) {
		d, err := cpuOf(p)
		if err != nil {
			return 0, err
		}
		sum += d
	}
	return sum, nil
}

// OwnCPU is what this process alone has used.
func OwnCPU() (time.Duration, error) { return cpuOf(os.Getpid()) }

// cpuOf reads the CPU clock of another process. Its number is made as clock_getcpuclockid(3) makes it.
func cpuOf(pid int) (time.Duration, error) {
	const clockSched = 2 // CPUCLOCK_SCHED of the kernel: user and system time by the scheduler
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|clockSched), &ts); err != nil {
		return 0, fmt.Errorf("process %d: %w", pid, os.NewSyscallError("clock_gettime", err))
	}
	return time.Duration(ts.Nano()), nil
}

// PeakRSS is the most memory that the process and its descendants have had since ResetPeak, in bytes; pages that they share
// count for each.
func PeakRSS(pid int) (int64, error) {
	var sum int64
	for _, p := range tree(pid) {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p))
		if err != nil {
			return 0, err
		}
		found := false
		for s := bufio.NewScanner(bytes.NewReader(status)); s.Scan(); {
			if text, ok := strings.CutPrefix(s.Text(), "VmHWM:"); ok {
				kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(text, "kB")), 10, 64)
				if err != nil {
					return 0, fmt.Errorf("/proc/%d/status: %w", p, err)
				}
				sum, found = sum+kb<<10, true
			}
		}
		if !found {
			return 0, fmt.Errorf("/proc/%d/status has no VmHWM", p)
		}
	}
	return sum, nil
}

// ResetPeak begins a new peak.
func ResetPeak(pid int) error {
	for _, p := range tree(pid) {
		// "5" resets VmHWM, see proc(5).
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p), []byte("5"), 0); err != nil {
			return err
		}
	}
	return nil
}

// tree is the process and its descendants.
func tree(pid int) []int {
	pids := []int{pid}
	for i := 0; i < len(pids); i++ {
		tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pids[i]))
		if err != nil {
			continue // it has ended; reading it says so
		}
		for _, task := range tasks {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pids[i], task.Name()))
			if err != nil {
				continue
			}
			for _, field := range strings.Fields(string(text)) {
				if child, err := strconv.Atoi(field); err == nil {
					pids = append(pids, child)
				}
			}
		}
	}
	return pids
}

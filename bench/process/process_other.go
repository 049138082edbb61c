//go:build !linux

package process

import (
	"errors"
	"time"
)

// errLinux: cores and /proc.
var errLinux = errors.New("the benchmark pins processes to cores and reads /proc: run it on Linux")

func Cores() ([]int, error) { return nil, errLinux }

func PinSelf(int) error { return errLinux }

func startOn(int, func() error) error { return errLinux }

func CPU(int) (time.Duration, error) { return 0, errLinux }

func OwnCPU() (time.Duration, error) { return 0, errLinux }

func PeakRSS(int) (int64, error) { return 0, errLinux }

func ResetPeak(int) error { return errLinux }

func MachineBusy() (time.Duration, error) { return 0, errLinux }

func Machine() string { return "not Linux" }

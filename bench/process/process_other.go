//go:build !linux

package process

import (
	"syscall"
	"time"
)

func Cores() ([]int, error) { return nil, ErrLinux }

func PinSelf(int) error { return ErrLinux }

func attributes() *syscall.SysProcAttr { return nil }

func startOn(int, func() error) error { return ErrLinux }

func CPU(int) (time.Duration, error) { return 0, ErrLinux }

func OwnCPU() (time.Duration, error) { return 0, ErrLinux }

func PeakRSS(int) (int64, error) { return 0, ErrLinux }

func ResetPeak(int) error { return ErrLinux }

func MachineBusy() (time.Duration, error) { return 0, ErrLinux }

func Machine() string { return "not Linux" }

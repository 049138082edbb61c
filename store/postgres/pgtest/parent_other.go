//go:build unix && !linux

package pgtest

import "syscall"

// dieWithParent does so on Linux only.
func dieWithParent(owner *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: owner}
}

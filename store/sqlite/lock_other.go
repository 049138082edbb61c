//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package sqlite

import "errors"

// processLock doesn't exist here: without a lock that ends with its process two gateways could serve from one store, and
// each would grant what the other has granted.
type processLock struct{}

func lockProcess(string) (*processLock, error) {
	return nil, errors.New("this platform has no file lock that ends with its process; serve on Linux, macOS or a BSD")
}

func (*processLock) release() error { return nil }

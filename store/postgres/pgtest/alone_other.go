//go:build !unix

package pgtest

import "testing"

// Alone does nothing here: tests of several packages may run at the same time.
func Alone(testing.TB) {}

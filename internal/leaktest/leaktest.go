// Package leaktest wants that the tests of a package leave no goroutine behind.
package leaktest

import (
	"fmt"
	"os"
	"time"

	"go.uber.org/goleak"
)

// patience is how long a goroutine that has been told to end may take on a machine that is busy with other tests. goleak alone has 0.4 s.
const patience = time.Minute

// Main runs the tests of a package, for its TestMain, and exits: with a failure, too, when a goroutine is left. m is a *testing.M, or what wraps one.
func Main(m goleak.TestingM) {
	code := m.Run()
	if code == 0 {
		if err := find(patience); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// find answers which goroutines have not ended in this time.
func find(patience time.Duration) error {
	for end := time.Now().Add(patience); ; {
		// It looks at them several times, with pauses.
		err := goleak.Find()
		if err == nil || time.Now().After(end) {
			return err
		}
	}
}

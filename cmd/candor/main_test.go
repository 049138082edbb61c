package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain puts candor, which is this test binary, into the path, so that scripts and tests start the real program in a process
// of its own.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"candor": main})
}

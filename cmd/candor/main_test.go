package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/candor-gateway/candor/store/postgres/pgtest"
)

// TestMain puts candor, which is this test binary, into the path, so that scripts and tests start the real program in a process
// of its own; and beside it people who claim and judge.
func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){"candor": main, "claimers": claimers})
}

// tests stop the PostgreSQL that they have used.
type tests struct{ *testing.M }

func (t tests) Run() int { return pgtest.Main(t.M) }

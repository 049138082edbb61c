package soak

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/candor-gateway/candor/store/postgres/pgtest"
)

// program is the path of the real candor, built once for all tests.
var program string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program = filepath.Join(dir, "candor")
	if out, err := exec.Command("go", "build", "-o", program, "../cmd/candor").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build ../cmd/candor: %v\n%s", err, out)
		return 1
	}
	code := pgtest.Main(m)
	if err := writeReport(); err != nil {
		fmt.Fprintln(os.Stderr, "the report can't be written:", err)
		return 1
	}
	return code
}

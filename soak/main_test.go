package soak

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/candor-gateway/candor/store/postgres/pgtest"
)

// program is the path of the real candor, built once for all tests.
var program string

func TestMain(m *testing.M) {
	if role := strings.Fields(os.Getenv(roleVariable)); len(role) > 0 {
		if err := beSomething(role); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	// What a test has looked at decides whether its result may be taken from go's cache; a program that it builds isn't in that.
	if err := filepath.WalkDir("..", func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Name() == ".git" {
			return filepath.SkipDir
		}
		if err == nil {
			_, err = os.Stat(path)
		}
		return err
	}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
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

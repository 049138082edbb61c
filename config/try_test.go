package config

import (
	"os"
	"strings"
	"testing"
)

func TestTry(t *testing.T) {
	for _, f := range strings.Split(os.Args[len(os.Args)-1], ",") {
		_, fs := Check(f)
		Report(os.Stdout, f, fs)
	}
}

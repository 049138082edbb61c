package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Every command that can be run has examples, which a shell takes as they are printed: each is of a command that there is, with flags
// that it has and as many arguments as it takes; and one at least is of the command itself, or of one below it.
func TestExamples(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("there is no shell that could read the examples:", err)
	}
	commands := 0
	for c := range tree(newRoot("test")) {
		if !c.Runnable() && c.HasParent() {
			continue
		}
		commands++
		t.Run(c.CommandPath(), func(t *testing.T) {
			if c.Example == "" {
				t.Fatal("it has no example")
			}
			own := false
			for _, args := range called(t, c.Example) {
				found := parses(t, args)
				own = own || found == c.CommandPath() || c.HasSubCommands() && strings.HasPrefix(found, c.CommandPath()+" ")
			}
			if !own {
				t.Errorf("none of its examples is one of it:\n%s", c.Example)
			}
		})
	}
	if commands < 50 {
		t.Errorf("looked at %d commands only", commands)
	}
}

// tree is a command and all below it.
func tree(c *cobra.Command) func(yield func(*cobra.Command) bool) {
	all := []*cobra.Command{c}
	for i := 0; i < len(all); i++ {
		all = append(all, all[i].Commands()...)
	}
	return slices.Values(all)
}

// called has a shell run examples, and answers what they call candor with.
func called(t *testing.T, example string) [][]string {
	check := exec.Command("sh", "-n")
	check.Stdin = strings.NewReader(example + "\n")
	if said, err := check.CombinedOutput(); err != nil {
		t.Errorf("no shell takes them (%v): %s\n%s", err, said, example)
	}
	out := t.TempDir()
	sh := exec.Command("sh", "-u")
	sh.Dir = t.TempDir()
	sh.Env = append(os.Environ(), "OUT="+out)
	sh.Stdin = strings.NewReader(`candor() { printf '%s\0' "$@" >"$(mktemp "$OUT/XXXXXX")"; }` + "\n" + example + "\n")
	// How it ends is that of the last program in them, which may miss a file that isn't here.
	_ = sh.Run()
	files, err := filepath.Glob(filepath.Join(out, "*"))
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count("\n"+example, "\n  candor "); len(files) < max(lines, 1) {
		t.Errorf("%d lines call candor, and %d calls came", lines, len(files))
	}
	var calls [][]string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		calls = append(calls, strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00"))
	}
	return calls
}

// parses reads a command line as candor would, up to where the command itself begins, and answers which it is.
func parses(t *testing.T, args []string) string {
	found, rest, err := newRoot("test").Find(args)
	if err == nil {
		err = found.ParseFlags(rest)
	}
	if err == nil {
		err = found.ValidateArgs(found.Flags().Args())
	}
	if err != nil {
		t.Errorf("candor %s: %v", strings.Join(args, " "), err)
		return ""
	}
	if found.HasSubCommands() && found.Flags().NArg() > 0 {
		t.Errorf("candor %s: there is no such command", strings.Join(args, " "))
	}
	return found.CommandPath()
}

package config

import (
	"os"
	"regexp"
	"testing"
)

// The configuration that the README shows is one that works.
func TestReadmeConfiguration(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(readme, -1)
	if len(found) == 0 {
		t.Fatal("the README shows no configuration")
	}
	for _, m := range found {
		if _, faults := Parse("README.md", m[1]); len(faults) > 0 {
			t.Errorf("%v", faults)
		}
	}
}

// So are the limits that the page about them shows.
func TestLimitsOfThePage(t *testing.T) {
	page, err := os.ReadFile("../docs/limits-operation.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	own := regexp.MustCompile("(?s)\nlimits:\n.*?\n\n")
	shown := regexp.MustCompile("(?s)```yaml\n(limits:.*?)```").FindAllSubmatch(page, -1)
	if len(shown) < 2 || !own.Match(example) {
		t.Fatalf("the page shows %d configurations", len(shown))
	}
	for _, m := range shown {
		text := own.ReplaceAllLiteral(example, []byte("\n"+string(m[1])+"\n"))
		if _, faults := Parse("limits-operation.md", text); len(faults) > 0 {
			t.Errorf("%v", faults)
		}
	}
}

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

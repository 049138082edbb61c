package desk

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// docs/review.md names tests and commands; they are there.
func TestReviewDoc(t *testing.T) {
	const root = "../../../.."
	data, err := os.ReadFile(filepath.Join(root, "docs/review.md"))
	if err != nil {
		t.Fatal(err)
	}
	doc := string(data)
	var tests strings.Builder
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !(strings.HasSuffix(path, "_test.go") || strings.Contains(path, "store/storetest")) {
			return err
		}
		source, err := os.ReadFile(path)
		tests.Write(source)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z]+)`").FindAllStringSubmatch(doc, -1) {
		if !strings.Contains(tests.String(), "func "+name[1]+"(") {
			t.Errorf("there is no test %s", name[1])
		}
	}
	for _, line := range strings.Split(doc, "\n") {
		if _, cases, ok := strings.Cut(line, "`storetest` "); ok {
			for _, name := range regexp.MustCompile(`"([^"]+)"`).FindAllStringSubmatch(cases, -1) {
				if !strings.Contains(tests.String(), `{"`+name[1]+`", test`) {
					t.Errorf("there is no case %q in storetest", name[1])
				}
			}
		}
	}
	_, commands, _ := strings.Cut(doc, "## All commands")
	commands, _, _ = strings.Cut(commands, "\n## ")
	for _, c := range Command().Commands() {
		if !strings.Contains(commands, "`"+c.Name()) {
			t.Errorf("candor review %s isn't in the table of commands", c.Name())
		}
		if c.Example == "" || c.Short == "" {
			t.Errorf("candor review %s has no help", c.Name())
		}
	}
}

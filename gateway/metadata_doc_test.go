package gateway_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Every parameter, metadata tensor and trailer that the code names stands in docs/metadata.md, and the other way round.
func TestMetadataIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/metadata.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("`(candor[_-][a-z_-]+)`").FindAllStringSubmatch(string(doc), -1) {
		documented[m[1]] = true
	}
	used := map[string]bool{}
	for _, file := range []string{"params.go", "tried.go", "oip.go", "stream_frames.go"} {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`"(candor[_-][a-z_-]+)"`).FindAllStringSubmatch(string(src), -1) {
			used[m[1]] = true
		}
	}
	// The counts per route are put together from this stem, and candor_metadata is ServerMetadata's extension.
	delete(used, "candor_rows_")
	delete(used, "candor_fields_")
	delete(used, "candor_metadata")
	for name := range used {
		if !documented[name] {
			t.Errorf("docs/metadata.md does not name %s", name)
		}
	}
	for name := range documented {
		if !used[name] && !strings.HasPrefix(name, "candor_rows_") && !strings.HasPrefix(name, "candor_fields_") && name != "candor_" {
			t.Errorf("docs/metadata.md names %s, which nothing sends", name)
		}
	}
	if len(used) < 15 {
		t.Fatalf("found %d names", len(used))
	}
}

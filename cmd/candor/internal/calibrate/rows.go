package calibrate

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
)

// maxFile bounds a data file, in bytes: a million rows of a hundred labels as float64 are 800 MB.
const maxFile = 1 << 30

// raw is one row as a file has it.
type raw struct {
	// place is where it stands, for messages: "line 7" or "row 7".
	place string
	// scores are one for each label in the order of the model's card, or one number for the second of two labels.
	scores []float64
	label  string
}

// wrong makes the error of a row.
func wrong(file, place, remedy, format string, args ...any) error {
	where := filepath.Base(file)
	if place != "" {
		where += ", " + place
	}
	return cli.Fail(remedy, "%s: %s", where, fmt.Sprintf(format, args...))
}

// readRows reads a file of scores and labels; its form is told by its name's ending. labels are the model's.
func readRows(file string, data []byte, labelsFile string, labelData []byte, labels []string) ([]raw, error) {
	ext := strings.ToLower(filepath.Ext(file))
	if labelsFile != "" && ext != ".npy" {
		return nil, cli.Usage("leave it out", "--labels goes with a .npy file; %s holds its labels itself", filepath.Base(file))
	}
	switch ext {
	case ".csv":
		return readCSV(file, bytes.NewReader(data), labels)
	case ".jsonl", ".ndjson":
		return readJSONLines(file, data, labels)
	case ".npz":
		return readNPZ(file, data, labels)
	case ".npy":
		if labelsFile == "" {
			return nil, cli.Usage("add --labels FILE.npy", "--labels is missing: a .npy file holds one array, the scores")
		}
		scores, err := parseNPY(data)
		if err != nil {
			return nil, wrong(file, "", npyRemedy, "%v", err)
		}
		truth, err := parseNPY(labelData)
		if err != nil {
			return nil, wrong(labelsFile, "", npyRemedy, "%v", err)
		}
		return joinArrays(file, labelsFile, scores, truth, labels)
	}
	return nil, cli.Usage("name a .csv, .jsonl, .npy or .npz file", "--data: %s has the ending %q, which says nothing about its form", filepath.Base(file), ext)
}

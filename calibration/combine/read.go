package combine

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

const (
	// maxLine is far above a row of 64 members with a thousand labels.
	maxLine = 4 << 20
	// maxRows bounds the memory of a fit. More rows than this tell nothing that these don't.
	maxRows = 1_000_000
)

// Read reads rows as JSON lines, {"members": {"mlp": [0.1, 0.9], "kernel": [0.2, 0.8]}, "label": "spam"}: of each member, by name, its
// class probabilities in the order of labels, and the label that is true. One number of a member with two labels is the probability
// of the second. Further members are left out; empty lines are skipped. Errors name the line and what it wants.
func Read(r io.Reader, members, labels []string) ([]Example, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	var rows []Example
	n := 0
	for lines.Scan() {
		n++
		if len(lines.Bytes()) == 0 {
			continue
		}
		if len(rows) == maxRows {
			return nil, fmt.Errorf("line %d: there are more than %d rows; give a sample of them", n, maxRows)
		}
		row, err := readRow(lines.Bytes(), members, labels)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		rows = append(rows, row)
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			return nil, fmt.Errorf("line %d: is longer than %d bytes; write one row a line", n+1, maxLine)
		}
		return nil, err
	}
	if err := check(rows); err != nil {
		return nil, err
	}
	return rows, nil
}

func readRow(line []byte, members, labels []string) (Example, error) {
	var in struct {
		Members map[string][]float64 `json:"members"`
		Label   *string              `json:"label"`
	}
	if err := json.Unmarshal(line, &in); err != nil {
		return Example{}, fmt.Errorf(`is not {"members": {NAME: [PROBABILITY, ...]}, "label": LABEL}: %w`, err)
	}
	if in.Label == nil {
		return Example{}, errors.New("label: is missing; write the label that is true")
	}
	row := Example{Label: slices.Index(labels, *in.Label)}
	if row.Label < 0 {
		return Example{}, fmt.Errorf("label: %.64q is none of the labels %.30q", *in.Label, labels)
	}
	for _, name := range members {
		p, ok := in.Members[name]
		if !ok {
			return Example{}, fmt.Errorf("members.%s: is missing; write what it said of this row, or leave the row out", name)
		}
		if len(p) == 1 && len(labels) == 2 {
			p = []float64{1 - p[0], p[0]}
		}
		if len(p) != len(labels) {
			return Example{}, fmt.Errorf("members.%s: there are %d probabilities for %d labels", name, len(p), len(labels))
		}
		row.Members = append(row.Members, p)
	}
	return row, nil
}

package calibrate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
)

// scoredLine is a line of a data file.
type scoredLine struct {
	Scores []float64 `json:"scores"`
	Label  *string   `json:"label"`
	ID     any       `json:"id"`
}

const scoredRemedy = `write {"scores": [0.9, 0.1], "label": "x"}, the scores in the order of the model's card`

// readJSONLines reads {"scores": [...], "label": "x"}, one on a line; "id" is allowed, and nothing else.
func readJSONLines(file string, data []byte, labels []string) ([]raw, error) {
	var rows []raw
	for n, line := range lines(data) {
		place := fmt.Sprintf("line %d", n)
		var in scoredLine
		if err := decodeLine(line, &in); err != nil {
			return nil, wrong(file, place, scoredRemedy, "%v", err)
		}
		if in.Label == nil || in.Scores == nil {
			return nil, wrong(file, place, scoredRemedy, "it has no scores, or no label")
		}
		if n := len(in.Scores); n != len(labels) && !(n == 1 && len(labels) == 2) {
			return nil, wrong(file, place, fmt.Sprintf("write one for each of the labels %s", quoted(labels)), "it has %d scores, the model has %d labels", n, len(labels))
		}
		rows = append(rows, raw{place, in.Scores, *in.Label})
	}
	return rows, nil
}

// lines are the lines that aren't blank, by number from 1.
func lines(data []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		n := 0
		for line := range bytes.Lines(data) {
			n++
			if line = bytes.TrimSpace(line); len(line) > 0 && !yield(n, line) {
				return
			}
		}
	}
}

// decodeLine reads one object and nothing behind it; keys that it doesn't know are errors.
func decodeLine(line []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("the JSON ends too early")
		}
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one object on the line")
	}
	return nil
}

package calibrate

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
)

// Names of columns.
const (
	labelColumn = "label"
	scoreColumn = "score"
	idColumn    = "id"
	// labelPrefix tells a label's column from others, where a label is called "id" or "score".
	labelPrefix = "p:"
)

// columns say where in a line the numbers and the label are.
type columns struct {
	label  int
	scores []int
}

// readCSV reads a file with a header: column label, and either a column for each label, called as it or p:LABEL, or a column
// score for the second of two labels. Columns of other names are ignored, except p: columns of labels that the model doesn't
// have.
func readCSV(file string, r io.Reader, labels []string) ([]raw, error) {
	in := csv.NewReader(r)
	in.ReuseRecord = true
	header, err := in.Read()
	if err != nil {
		return nil, wrong(file, "", "write a header: "+expectedColumns(labels), "there is no header (%v)", err)
	}
	header = slices.Clone(header)
	// Spreadsheets write a byte order mark.
	header[0] = strings.TrimPrefix(header[0], "\ufeff")
	at, err := findColumns(file, header, labels)
	if err != nil {
		return nil, err
	}
	var rows []raw
	for {
		fields, err := in.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		var parse *csv.ParseError
		if errors.As(err, &parse) {
			return nil, wrong(file, fmt.Sprintf("line %d", parse.Line), "write as many fields as the header has, and quote those with commas", "%v", parse.Err)
		}
		if err != nil {
			return nil, wrong(file, "", "check the file", "%v", err)
		}
		line, _ := in.FieldPos(0)
		row := raw{place: fmt.Sprintf("line %d", line), label: fields[at.label], scores: make([]float64, len(at.scores))}
		for i, j := range at.scores {
			if row.scores[i], err = strconv.ParseFloat(strings.TrimSpace(fields[j]), 64); err != nil {
				return nil, wrong(file, row.place, "write a number, such as 0.25", "column %q holds %q", header[j], cli.Plain(fields[j]))
			}
		}
		rows = append(rows, row)
	}
}

func findColumns(file string, header, labels []string) (columns, error) {
	at := columns{label: -1}
	refuse := func(format string, args ...any) (columns, error) {
		return at, wrong(file, "line 1", "have "+expectedColumns(labels), "%s; the columns are %s", fmt.Sprintf(format, args...), cli.Plain(strings.Join(header, ", ")))
	}
	for i, name := range header {
		if slices.Contains(header[:i], name) && (name == labelColumn || name == scoreColumn || slices.Contains(labels, strings.TrimPrefix(name, labelPrefix))) {
			return refuse("column %q is there twice", name)
		}
		if label, prefixed := strings.CutPrefix(name, labelPrefix); prefixed && !slices.Contains(labels, label) {
			return refuse("column %q is of no label of the model", name)
		}
	}
	if at.label = slices.Index(header, labelColumn); at.label < 0 {
		return refuse("there is no column %q", labelColumn)
	}
	var missing []string
	for _, l := range labels {
		i := slices.Index(header, labelPrefix+l)
		if i < 0 && l != labelColumn && l != idColumn {
			i = slices.Index(header, l)
		}
		if i < 0 {
			missing = append(missing, fmt.Sprintf("%q", l))
		}
		at.scores = append(at.scores, i)
	}
	if len(missing) == 0 {
		return at, nil
	}
	if i := slices.Index(header, scoreColumn); i >= 0 && len(missing) == len(labels) {
		if len(labels) != 2 {
			return refuse("one column %q is for two labels, the model has %d", scoreColumn, len(labels))
		}
		at.scores = []int{i}
		return at, nil
	}
	if len(missing) > 5 {
		missing = append(missing[:5], fmt.Sprintf("and %d more", len(missing)-5))
	}
	return refuse("there is no column for %s", strings.Join(missing, ", "))
}

// expectedColumns says what a header must have.
func expectedColumns(labels []string) string {
	names := labels
	if len(names) > 10 {
		names = append(slices.Clone(names[:10]), "...")
	}
	text := "columns " + labelColumn + ", " + labelPrefix + strings.Join(names, ", "+labelPrefix)
	text = strings.Replace(text, ", "+labelPrefix+"...", ", and so on for each label", 1)
	if len(labels) == 2 {
		text += fmt.Sprintf(", or %s and %s (that of %q)", labelColumn, scoreColumn, labels[1])
	}
	return text
}

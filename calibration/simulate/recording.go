package simulate

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Recording is a stream of rows whose answers are known to be right or wrong.
type Recording struct {
	rows []recorded
	// sorted confidences, from the highest, and the errors among the first so many.
	sorted []float64
	errors []int
}

type recorded struct {
	confidence float64
	wrong      bool
}

// maxRecorded bounds how many rows a recording has.
const maxRecorded = 10_000_000

// Rows is how many there are.
func (r *Recording) Rows() int { return len(r.rows) }

// ReadRecording reads CSV whose header names the columns confidence and correct, or JSON objects with these fields, one a line.
// A confidence is in [0,1]; correct is true, false, 1 or 0. Other columns and fields don't matter. Errors name the line.
func ReadRecording(r io.Reader) (*Recording, error) {
	in := bufio.NewReaderSize(r, 1<<16)
	first, err := in.Peek(1)
	if err != nil {
		return nil, errors.New("the recording is empty; it needs a line for each row")
	}
	rec := &Recording{}
	if first[0] == '{' {
		err = rec.readJSON(in)
	} else {
		err = rec.readCSV(in)
	}
	if err != nil {
		return nil, err
	}
	if len(rec.rows) == 0 {
		return nil, errors.New("the recording has no rows")
	}
	rec.index()
	return rec, nil
}

func (r *Recording) add(line int, confidence float64, wrong bool) error {
	switch {
	case !(confidence >= 0 && confidence <= 1):
		return fmt.Errorf("line %d: confidence is %v; it is in [0,1]", line, confidence)
	case len(r.rows) == maxRecorded:
		return fmt.Errorf("line %d: more than %d rows; give a part of them", line, maxRecorded)
	}
	r.rows = append(r.rows, recorded{confidence, wrong})
	return nil
}

func (r *Recording) readJSON(in io.Reader) error {
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var row struct {
			Confidence *float64 `json:"confidence"`
			Correct    any      `json:"correct"`
		}
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			return fmt.Errorf("line %d is no JSON object of a row: %w", n, err)
		}
		if row.Confidence == nil {
			return fmt.Errorf("line %d has no confidence", n)
		}
		correct, err := truth(fmt.Sprint(row.Correct))
		if err != nil {
			return fmt.Errorf("line %d: correct %w", n, err)
		}
		if err := r.add(n, *row.Confidence, !correct); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the recording: %w", err)
	}
	return nil
}

func (r *Recording) readCSV(in io.Reader) error {
	table := csv.NewReader(in)
	table.ReuseRecord, table.TrimLeadingSpace = true, true
	head, err := table.Read()
	if err != nil {
		return fmt.Errorf("read the recording: %w", err)
	}
	confidence, correct := slices.Index(head, "confidence"), slices.Index(head, "correct")
	if confidence < 0 || correct < 0 {
		return fmt.Errorf("the first line is %q; it names the columns, confidence and correct among them", strings.Join(head, ","))
	}
	for {
		cells, err := table.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the recording: %w", err)
		}
		line, _ := table.FieldPos(confidence)
		c, err := strconv.ParseFloat(cells[confidence], 64)
		if err != nil {
			return fmt.Errorf("line %d: confidence is %q; it is a number in [0,1]", line, cells[confidence])
		}
		right, err := truth(cells[correct])
		if err != nil {
			return fmt.Errorf("line %d: correct %w", line, err)
		}
		if err := r.add(line, c, !right); err != nil {
			return err
		}
	}
}

func truth(word string) (bool, error) {
	switch strings.ToLower(word) {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return false, fmt.Errorf("is %q; it is true, false, 1 or 0", word)
}

// index prepares what risk and coverage need.
func (r *Recording) index() {
	order := slices.Clone(r.rows)
	slices.SortStableFunc(order, func(a, b recorded) int {
		switch {
		case a.confidence > b.confidence:
			return -1
		case a.confidence < b.confidence:
			return 1
		}
		return 0
	})
	r.sorted, r.errors = make([]float64, len(order)), make([]int, len(order)+1)
	for i, row := range order {
		r.sorted[i], r.errors[i+1] = row.confidence, r.errors[i]
		if row.wrong {
			r.errors[i+1]++
		}
	}
}

// above is how many rows have a confidence of tau or more.
func (r *Recording) above(tau float64) int {
	return sort.Search(len(r.sorted), func(i int) bool { return r.sorted[i] < tau })
}

func (r *Recording) risk(tau float64) float64 {
	n := r.above(tau)
	if n == 0 {
		return 0
	}
	return float64(r.errors[n]) / float64(n)
}

func (r *Recording) coverage(tau float64) float64 {
	return float64(r.above(tau)) / float64(len(r.rows))
}

// oracle is the largest coverage that keeps.
func (r *Recording) oracle(keeps func(tau float64) bool) float64 {
	for i := len(r.sorted) - 1; i >= 0; i-- {
		if (i == len(r.sorted)-1 || r.sorted[i] != r.sorted[i+1]) && keeps(r.sorted[i]) {
			return r.coverage(r.sorted[i])
		}
	}
	return 0
}

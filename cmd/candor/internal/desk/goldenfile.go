package desk

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// maxGoldenFile bounds a file of questions, in bytes.
const maxGoldenFile = 64 << 20

// readFile reads a file, or standard input for "-".
func readFile(cmd *cobra.Command, path string) ([]byte, error) {
	r := cmd.InOrStdin()
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, cli.Fail("name a file that you may read", "%w", err)
		}
		defer f.Close()
		r = f
	}
	data, err := io.ReadAll(io.LimitReader(r, maxGoldenFile+1))
	if err != nil {
		return nil, cli.Fail("", "read %s: %w", path, err)
	}
	if len(data) > maxGoldenFile {
		return nil, cli.Fail("split it", "%s is larger than %d MiB", path, maxGoldenFile>>20)
	}
	return data, nil
}

// goldenOfJSON reads a golden item, a list of them, the output of golden list, or a payload.
func goldenOfJSON(data []byte) ([]*candorv1.GoldenItem, error) {
	data = bytes.TrimSpace(data)
	if bytes.HasPrefix(data, []byte("[")) {
		var each []json.RawMessage
		if err := json.Unmarshal(data, &each); err != nil {
			return nil, err
		}
		var out []*candorv1.GoldenItem
		for i, raw := range each {
			g := &candorv1.GoldenItem{}
			if err := protojson.Unmarshal(raw, g); err != nil {
				return nil, fmt.Errorf("element %d: %w", i+1, err)
			}
			out = append(out, g)
		}
		return some(out)
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(data, &keys); err != nil {
		return nil, err
	}
	switch {
	case keys["tensors"] != nil:
		p := &candorv1.ReviewPayload{}
		if err := protojson.Unmarshal(data, p); err != nil {
			return nil, err
		}
		return []*candorv1.GoldenItem{{Payload: p}}, nil
	case keys["golden"] != nil:
		list := &candorv1.ListGoldenItemsResponse{}
		if err := protojson.Unmarshal(data, list); err != nil {
			return nil, err
		}
		return some(list.GetGolden())
	}
	g := &candorv1.GoldenItem{}
	if err := protojson.Unmarshal(data, g); err != nil {
		return nil, err
	}
	return []*candorv1.GoldenItem{g}, nil
}

func some(g []*candorv1.GoldenItem) ([]*candorv1.GoldenItem, error) {
	if len(g) == 0 {
		return nil, errors.New("there is no question in it")
	}
	return g, nil
}

// Columns of a CSV file that are no features.
const (
	answerColumn    = "answer"
	toleranceColumn = "tolerance"
)

// goldenOfCSV reads one question a line. Its features are the numbers of one tensor. An answer that is a number may be a label all the
// same, so it is read as one, unless answers are values: a column tolerance says so, too.
func goldenOfCSV(data []byte, tensor string, values bool) ([]*candorv1.GoldenItem, error) {
	r := csv.NewReader(bytes.NewReader(data))
	r.TrimLeadingSpace = true
	head, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("the first line must name the columns: %w", err)
	}
	answer, tolerance := slices.Index(head, answerColumn), slices.Index(head, toleranceColumn)
	var features []*candorv1.FeatureSpec
	for i, name := range head {
		if slices.Index(head, name) != i {
			return nil, fmt.Errorf("column %q is there twice", name)
		}
		if i != answer && i != tolerance {
			features = append(features, &candorv1.FeatureSpec{Name: name})
		}
	}
	if len(features) == 0 {
		return nil, errors.New("there is no column with a feature")
	}
	var out []*candorv1.GoldenItem
	for {
		line, err := r.Read()
		if errors.Is(err, io.EOF) {
			return some(out)
		}
		if err != nil {
			return nil, err
		}
		at, _ := r.FieldPos(0)
		g := &candorv1.GoldenItem{}
		t := &candorv1.PayloadTensor{
			Name: tensor, Datatype: "FP64", Shape: []int64{int64(len(features))}, View: candorv1.PayloadView_PAYLOAD_VIEW_TABLE, Features: features,
		}
		for i, cell := range line {
			if i == answer {
				continue
			}
			v, err := strconv.ParseFloat(cell, 64)
			if err != nil || math.IsInf(v, 0) || (i == tolerance && !(v >= 0)) {
				return nil, fmt.Errorf("line %d: %s is %q, which is no number that it can be", at, head[i], cell)
			}
			if i == tolerance {
				g.Tolerance = v
			} else {
				t.Values = append(t.Values, v)
			}
		}
		if answer >= 0 {
			if g.Answer, err = csvAnswer(line[answer], values || tolerance >= 0); err != nil {
				return nil, fmt.Errorf("line %d: %w", at, err)
			}
		}
		g.Payload = &candorv1.ReviewPayload{Tensors: []*candorv1.PayloadTensor{t}}
		out = append(out, g)
	}
}

func csvAnswer(cell string, value bool) (*candorv1.VerdictAnswer, error) {
	if !value {
		return &candorv1.VerdictAnswer{Answer: &candorv1.VerdictAnswer_Label{Label: cell}}, nil
	}
	v, err := strconv.ParseFloat(cell, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return nil, fmt.Errorf("%s is %q; with a tolerance it is a number", answerColumn, cell)
	}
	return &candorv1.VerdictAnswer{Answer: &candorv1.VerdictAnswer_Value{Value: v}}, nil
}

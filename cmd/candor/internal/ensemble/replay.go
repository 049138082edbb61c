package ensemble

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/candor-gateway/candor/backend"
	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
	"github.com/candor-gateway/candor/router"
)

// maxReplayLine bounds a row's inputs, as JSON.
const maxReplayLine = 64 << 20

// replay sends rows, {"inputs": {"x": [0.5, 1]}, "label": "spam"} a line, to the members' model servers, and answers lines as --data
// takes them. A row that a member has no answer for is an error: leaving it out would score the members on what they can do.
func replay(ctx context.Context, cfg *candorv1.Config, members []string, in io.Reader) (_ []byte, err error) {
	backends := make([]*backend.Backend, len(members))
	for i, name := range members {
		if ref := cfg.GetBackends()[name].GetCalibrator(); ref != "" {
			// The gateway combines calibrated probabilities; a fit to others would be one to another ensemble.
			return nil, fmt.Errorf("backends.%s.calibrator: %s calibrates what the ensemble combines, and --replay gets what the model "+
				"says; write the calibrated probabilities into a file for --data", name, ref)
		}
		b, err := backend.Dial(name, cfg.GetBackends()[name], backend.Options{})
		if err != nil {
			return nil, fmt.Errorf("backends.%s: %w", name, err)
		}
		defer func() { err = errors.Join(err, b.Close()) }()
		backends[i] = b
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxReplayLine)
	var out bytes.Buffer
	for n := 1; lines.Scan(); n++ {
		if len(lines.Bytes()) == 0 {
			continue
		}
		var row struct {
			Inputs map[string]json.RawMessage `json:"inputs"`
			Label  *string                    `json:"label"`
		}
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			return nil, fmt.Errorf(`line %d: is not {"inputs": {NAME: [ELEMENT, ...]}, "label": LABEL}: %w`, n, err)
		}
		if row.Label == nil {
			return nil, fmt.Errorf("line %d: label: is missing; write the label that is true", n)
		}
		said := map[string][]float64{}
		for i, b := range backends {
			if said[members[i]], err = ask(ctx, b, row.Inputs); err != nil {
				return nil, fmt.Errorf("line %d: %s: %w", n, members[i], err)
			}
		}
		line, err := json.Marshal(map[string]any{"members": said, "label": row.Label})
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		out.Write(append(line, '\n'))
	}
	return out.Bytes(), lines.Err()
}

// ask asks one member for one row and answers its class probabilities.
func ask(ctx context.Context, b *backend.Backend, inputs map[string]json.RawMessage) ([]float64, error) {
	card := b.Card().Proto()
	var tensors []wire.TensorData
	for _, spec := range card.GetInputs() {
		text, ok := inputs[spec.GetName()]
		if !ok {
			return nil, fmt.Errorf("inputs.%s: is missing", spec.GetName())
		}
		t, err := tensorOf(spec, card.GetRows() == candorv1.Rows_ROWS_FIRST_DIM && !spec.GetShared(), text)
		if err != nil {
			return nil, fmt.Errorf("inputs.%s: %w", spec.GetName(), err)
		}
		tensors = append(tensors, t)
	}
	request, err := wire.BuildRequest(b.Model(), b.Version(), "", nil, tensors, nil, true)
	if err != nil {
		return nil, err
	}
	var evidence []router.Evidence
	answer, err := b.Infer(ctx, backend.Terms{}, wire.NewFrame(request), func(r *wire.Response) backend.Verdict {
		var v backend.Verdict
		evidence, v = b.Card().Evidence(nil, b.Name(), r, 1, backend.Reading{Method: candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB})
		return v
	})
	if err != nil {
		return nil, err
	}
	defer answer.Response.Free()
	if ev := evidence[0]; len(ev.Faults) > 0 || ev.Probs == nil {
		return nil, cli.Fail("", "it gave no class probabilities: %s", ev.Detail)
	}
	return evidence[0].Probs, nil
}

// tensorOf is one row of an input. At most one size of the shape may be open.
func tensorOf(spec *candorv1.InputSpec, perRow bool, text json.RawMessage) (wire.TensorData, error) {
	t := wire.TensorData{Name: spec.GetName()}
	t.Datatype, _ = wire.ParseDatatype(spec.GetDatatype())
	n := 0
	if t.Datatype == wire.BYTES {
		var texts []string
		if err := json.Unmarshal(text, &texts); err != nil {
			return t, fmt.Errorf("wants a list of texts: %w", err)
		}
		for _, s := range texts {
			t.Texts = append(t.Texts, []byte(s))
		}
		n = len(texts)
	} else {
		if err := json.Unmarshal(text, &t.Floats); err != nil {
			return t, fmt.Errorf("wants a list of numbers, row-major: %w", err)
		}
		n = len(t.Floats)
	}
	open, known := -1, int64(1)
	for i, size := range spec.GetShape() {
		if i == 0 && perRow {
			size = 1
		}
		if size < 0 && open < 0 {
			open, size = i, 1
		}
		known *= size
		t.Shape = append(t.Shape, size)
	}
	if open >= 0 && known > 0 {
		t.Shape[open] = int64(n) / known
		known *= t.Shape[open]
	}
	if known != int64(n) || n == 0 {
		return t, fmt.Errorf("there are %d elements, a row has the shape %v", n, spec.GetShape())
	}
	return t, nil
}

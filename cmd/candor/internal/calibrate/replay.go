package calibrate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/candor-gateway/candor/backend"
	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
)

// replayCalls is how many rows are asked about at once: enough to hide the way there and back, and little beside what a model
// server has from its callers.
const replayCalls = 8

const replayRemedy = `write {"inputs": {"name": [...]}, "label": "x"}, the inputs of one row as the model's card names them`

// replayed is a line of a file of inputs, ready to be sent.
type replayed struct {
	place   string
	request []byte
	label   string
}

// readInputs reads held-out inputs and encodes a request for each row.
func (s *subject) readInputs(file string, data []byte, card *backend.Card) ([]replayed, error) {
	var out []replayed
	for n, line := range lines(data) {
		place := fmt.Sprintf("line %d", n)
		var in struct {
			Inputs map[string]json.RawMessage `json:"inputs"`
			Label  *string                    `json:"label"`
			ID     any                        `json:"id"`
		}
		if err := decodeLine(line, &in); err != nil {
			return nil, wrong(file, place, replayRemedy, "%v", err)
		}
		if in.Inputs == nil || in.Label == nil {
			return nil, wrong(file, place, replayRemedy, "it has no inputs, or no label")
		}
		request, err := s.request(in.Inputs, card)
		if err != nil {
			return nil, wrong(file, place, replayRemedy, "%v", err)
		}
		out = append(out, replayed{place, request, *in.Label})
	}
	if len(out) == 0 {
		return nil, wrong(file, "", replayRemedy, "it has no rows")
	}
	return out, nil
}

// request encodes the inputs of one row.
func (s *subject) request(inputs map[string]json.RawMessage, card *backend.Card) ([]byte, error) {
	specs := s.config.GetCard().GetInputs()
	var tensors []wire.TensorData
	for _, spec := range specs {
		text, ok := inputs[spec.GetName()]
		if !ok {
			return nil, fmt.Errorf("input %q is missing", spec.GetName())
		}
		datatype, ok := wire.ParseDatatype(spec.GetDatatype())
		if !ok {
			return nil, fmt.Errorf("input %q: the card's datatype %q is unknown", spec.GetName(), spec.GetDatatype())
		}
		t, err := tensorOf(text, datatype)
		if err != nil {
			return nil, fmt.Errorf("input %q: %w", spec.GetName(), err)
		}
		t.Name = spec.GetName()
		if t.Shape, err = rowShape(spec, s.config.GetCard().GetRows(), max(len(t.Floats), len(t.Texts))); err != nil {
			return nil, fmt.Errorf("input %q: %w", spec.GetName(), err)
		}
		tensors = append(tensors, t)
	}
	for name := range inputs {
		if !slices.ContainsFunc(specs, func(i *candorv1.InputSpec) bool { return i.GetName() == name }) {
			return nil, fmt.Errorf("the model has no input %q", name)
		}
	}
	return wire.BuildRequest(s.scope.GetModel(), s.scope.GetVersion(), "", nil, tensors, card.ScoreOutputs(), true)
}

// tensorOf reads a JSON array, nested or flat, of numbers, booleans or texts.
func tensorOf(text json.RawMessage, datatype wire.Datatype) (wire.TensorData, error) {
	t := wire.TensorData{Datatype: datatype}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return t, err
	}
	var add func(v any) error
	add = func(v any) error {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				if err := add(e); err != nil {
					return err
				}
			}
			return nil
		case float64:
			if datatype != wire.BYTES {
				t.Floats = append(t.Floats, v)
				return nil
			}
		case bool:
			if datatype == wire.BOOL {
				t.Floats = append(t.Floats, map[bool]float64{true: 1}[v])
				return nil
			}
		case string:
			if datatype == wire.BYTES {
				t.Texts = append(t.Texts, []byte(v))
				return nil
			}
		}
		return fmt.Errorf("%v is no %v", v, datatype)
	}
	return t, add(v)
}

// rowShape is the shape of one row of n elements: declared sizes as they are, and at most one other that n decides.
func rowShape(spec *candorv1.InputSpec, rows candorv1.Rows, n int) ([]int64, error) {
	shape := append([]int64(nil), spec.GetShape()...)
	if rows == candorv1.Rows_ROWS_FIRST_DIM && !spec.GetShared() && len(shape) > 0 {
		shape[0] = 1
	}
	product, open := int64(1), -1
	for i, d := range shape {
		switch {
		case d >= 0:
			product *= d
		case open < 0:
			open = i
		default:
			shape[i] = 1
		}
	}
	if open >= 0 && product > 0 {
		shape[open] = int64(n) / product
		product *= shape[open]
	}
	if product != int64(n) {
		return nil, fmt.Errorf("it has %d elements, a row of shape %v has not", n, spec.GetShape())
	}
	return shape, nil
}

// replay asks the model server about each row, and answers its scores and their digest. progress is told after each row.
func (s *subject) replay(ctx context.Context, file string, data []byte, progress func(done, all int)) ([]raw, string, error) {
	b, err := backend.Dial(s.backend, s.config, backend.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, "", err
	}
	defer b.Close()
	in, err := s.readInputs(file, data, b.Card())
	if err != nil {
		return nil, "", err
	}
	rows := make([]raw, len(in))
	var mu sync.Mutex
	done := 0
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(replayCalls)
	for i, row := range in {
		group.Go(func() error {
			scores, err := ask(ctx, b, row.request)
			if err != nil {
				return wrong(file, row.place, "see that the model server at "+b.Address()+" answers such inputs", "%v", err)
			}
			rows[i] = raw{row.place, scores, row.label}
			mu.Lock()
			defer mu.Unlock()
			done++
			progress(done, len(in))
			return nil
		})
		if ctx.Err() != nil {
			break
		}
	}
	if err := group.Wait(); err != nil {
		return nil, "", err
	}
	return rows, answersDigest(rows), nil
}

// ask is one call for one row.
func ask(ctx context.Context, b *backend.Backend, request []byte) ([]float64, error) {
	var scores []float64
	answer, err := b.Infer(ctx, backend.Terms{}, wire.NewFrame(request), func(resp *wire.Response) backend.Verdict {
		evidence, verdict := b.Card().Evidence(nil, b.Name(), resp, 1, backend.Reading{Method: candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB})
		if verdict.Unusable == "" && verdict.BadRows > 0 {
			verdict.Unusable = verdict.Detail
		}
		if verdict.Unusable == "" {
			scores = append(scores, evidence[0].Scores...)
		}
		return verdict
	})
	if err != nil {
		return nil, err
	}
	answer.Response.Free()
	return scores, nil
}

// answersDigest is what stands for a data set whose scores were asked for.
func answersDigest(rows []raw) string {
	h := sha256.New()
	enc := json.NewEncoder(h)
	for _, r := range rows {
		// A hash takes everything, and finite numbers and texts can be encoded.
		_ = enc.Encode(map[string]any{"scores": r.scores, "label": r.label})
	}
	return hex.EncodeToString(h.Sum(nil))
}

// bar draws the progress of a replay: in place on a terminal, elsewhere nothing.
func bar(w io.Writer) func(done, all int) {
	if !cli.IsTerminal(w) {
		return func(int, int) {}
	}
	return func(done, all int) {
		const width = 40
		full := done * width / all
		_, _ = fmt.Fprintf(w, "\r[%-*s] %d of %d rows", width, "########################################"[:full], done, all)
		if done == all {
			_, _ = fmt.Fprintln(w)
		}
	}
}

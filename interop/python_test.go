package interop_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// script is a client's program in clients/.
type script struct {
	client, file, python string
}

// clientTimeout ends a client that hangs, which is a finding and not to be waited out.
const clientTimeout = 3 * time.Minute

// finding is a line of a script's output; see clients/checks.py.
type finding struct {
	Check string
	OK    bool
	Saw   string
	Data  map[string]string
	// Done is on the last line: how many findings there were.
	Done *int
}

// runScript runs a client and takes what it found into the record.
func runScript(t *testing.T, rec *record, p *plan, s script) {
	ctx, cancel := context.WithTimeout(t.Context(), clientTimeout)
	defer cancel()
	version := packageVersion(ctx, t, s)
	cmd := exec.CommandContext(ctx, s.python, filepath.Join("clients", s.file), p.write(t))
	// Without it Python leaves compiled files in the tree.
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Errorf("%s: %v\n%s", s.file, err, errs.String())
	}
	findings, err := readFindings(&out)
	if err != nil {
		t.Errorf("%s: %v\n%s", s.file, err, errs.String())
	}
	for _, f := range findings {
		row := recordRow{client: s.client, version: version, check: f.Check, ok: f.OK, saw: f.Saw}
		if f.OK && f.Data["prediction"] != "" {
			if err := checkTrailer(f.Data, p); err != nil {
				row.ok, row.saw = false, "candor-prediction-bin: "+err.Error()
			}
		}
		rec.note(t, row)
	}
}

// packageVersion asks the environment which version of the client it has.
func packageVersion(ctx context.Context, t *testing.T, s script) string {
	t.Helper()
	out, err := exec.CommandContext(ctx, s.python, "-c", "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))", s.client).Output()
	if err != nil {
		t.Fatalf("%s has no package %s: %v; run interop/run.sh", s.python, s.client, err)
	}
	return strings.TrimSpace(string(out))
}

// readFindings reads a script's output. A script that ended early has no last line, which is an error.
func readFindings(r io.Reader) ([]finding, error) {
	var all []finding
	for dec := json.NewDecoder(r); ; {
		var f finding
		switch err := dec.Decode(&f); {
		case errors.Is(err, io.EOF):
			return all, fmt.Errorf("it stopped after %d checks", len(all))
		case err != nil:
			return all, fmt.Errorf("its output is no list of findings: %w", err)
		case f.Done != nil && *f.Done != len(all):
			return all, fmt.Errorf("it made %d checks and told of %d", *f.Done, len(all))
		case f.Done != nil:
			return all, nil
		}
		all = append(all, f)
	}
}

// checkTrailer reads the trailer's bytes, as the client got them, as the message that wire.proto says they are.
func checkTrailer(data map[string]string, p *plan) error {
	raw, err := hex.DecodeString(data["prediction"])
	if err != nil {
		return err
	}
	msg := &candorv1.PredictResponse{}
	if err := proto.Unmarshal(raw, msg); err != nil {
		return err
	}
	if n := len(msg.GetPredictions()); n != 1 {
		return fmt.Errorf("%d predictions for one row", n)
	}
	got := msg.GetPredictions()[0]
	if got.GetPredictionId() != data["prediction_id"] || got.GetModel() != p.Model {
		return fmt.Errorf("it is prediction %s of %s, want %s of %s", got.GetPredictionId(), got.GetModel(), data["prediction_id"], p.Model)
	}
	if route := strings.TrimPrefix(got.GetDecision().GetRoute().String(), "ROUTE_"); route != data["route"] {
		return fmt.Errorf("its route is %s, want %s", route, data["route"])
	}
	return nil
}

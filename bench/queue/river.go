package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// riverRuns are what of River is measured. The first is the nearest to people who claim and finish; the last is River at its best, as its
// makers measure it.
var riverRuns = []struct {
	unit        string
	workers     int
	transaction bool
}{
	{jobs + " tx", 1, true}, {jobs + " tx", 8, true}, {jobs + " tx", 32, true},
	{jobs, 1, false}, {jobs, 8, false}, {jobs, 32, false}, {jobs, riverWorkers, false},
}

// riverWorkers is how many River's own benchmark has.
const riverWorkers = 2000

// riverProcess is bench/queue/river, which answers one line of JSON to each.
type riverProcess struct {
	in  *json.Encoder
	out *json.Decoder
}

// startRiver builds River's program and starts it. Where its module can't be had, River is left out, with a line in the report.
func (b *bench) startRiver(ctx context.Context) error {
	dir, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", "github.com/candor-gateway/candor/bench/queue").Output()
	if err != nil {
		return fmt.Errorf("find bench/queue: %w", err)
	}
	source, program := filepath.Join(strings.TrimSpace(string(dir)), "river"), filepath.Join(b.dir, "river")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, ".")
	build.Dir = source
	if out, err := build.CombinedOutput(); err != nil {
		b.absent = append(b.absent, fmt.Sprintf("river is left out: go build in %s: %v: %s", source, err, bytes.TrimSpace(out)))
		return nil
	}
	version := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Version}}", "github.com/riverqueue/river")
	version.Dir = source
	out, err := version.Output()
	if err != nil {
		return fmt.Errorf("version of River: %w", err)
	}
	b.riverAbout = "River " + strings.TrimSpace(string(out))
	url, err := b.database("river")
	if err != nil {
		return err
	}
	p, err := b.run(ctx, program, url)
	if err != nil {
		return err
	}
	for _, r := range riverRuns {
		if b.o.short && r.workers != slices.Max(claimers) {
			continue
		}
		b.cells = append(b.cells, b.worked(p, r.unit, r.workers, r.transaction))
	}
	return nil
}

// run starts the program. It ends when its input does.
func (b *bench) run(ctx context.Context, program, url string) (*riverProcess, error) {
	cmd := exec.CommandContext(ctx, program, "-database", url)
	var said bytes.Buffer
	cmd.Stderr = &said
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	b.stops = append(b.stops, func() error {
		err := errors.Join(in.Close(), cmd.Wait())
		if err != nil {
			return fmt.Errorf("river: %w\n%s", err, said.String())
		}
		return nil
	})
	return &riverProcess{json.NewEncoder(in), json.NewDecoder(out)}, nil
}

// worked makes the cell of a run of River. It works off about as many jobs as fit into the window.
func (b *bench) worked(p *riverProcess, unit string, workers int, transaction bool) cell {
	n := firstFill
	if b.o.short {
		n = minFill
	}
	return cell{"river", unit, workers, func(context.Context, int) (Sample, error) {
		order := struct {
			Jobs        int  `json:"jobs"`
			Workers     int  `json:"workers"`
			Transaction bool `json:"transaction"`
		}{n, workers, transaction}
		if err := p.in.Encode(order); err != nil {
			return Sample{}, err
		}
		var a struct {
			Jobs    int     `json:"jobs"`
			Seconds float64 `json:"seconds"`
		}
		if err := p.out.Decode(&a); err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("it has ended before it answered")
			}
			return Sample{}, err
		}
		s := Sample{Done: a.Jobs, Seconds: a.Seconds}
		n = min(max(int(s.perSecond()*b.o.window.Seconds()), minFill), maxJobs)
		return s, nil
	}}
}

// maxJobs bounds the time that it takes to insert them.
const maxJobs = 40_000

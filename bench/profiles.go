package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/candor-gateway/candor/bench/measure"
	"github.com/candor-gateway/candor/bench/profile"
	"github.com/candor-gateway/candor/bench/report"
	"github.com/candor-gateway/candor/bench/targets"
)

// profiled is the target whose profiles are written.
const profiled = "candor"

// profiles writes Candor's profiles into a folder, and prints where the microseconds of the report's requests went.
func profiles(ctx context.Context, folder string, set *targets.Set, r *report.Report, regimes []measure.Regime) error {
	for _, t := range set.Targets {
		if t.Name != profiled {
			continue
		}
		files, err := measure.Profile(ctx, folder, t, regimes)
		var text bytes.Buffer
		for _, f := range files {
			if f.Kind == measure.CPU {
				err = errors.Join(err, summarize(&text, f, r.CPU(t.Name, f.Regime)))
			}
		}
		for _, f := range files {
			fmt.Fprintf(&text, "go tool pprof -top %s\n", f.Path)
		}
		_, printed := os.Stdout.Write(text.Bytes())
		return errors.Join(err, printed, os.WriteFile(filepath.Join(folder, "profile.txt"), text.Bytes(), 0o644))
	}
	return nil
}

func summarize(w *bytes.Buffer, f measure.ProfileFile, micros float64) error {
	in, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	s, err := profile.Summarize(in)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	fmt.Fprintf(w, "\nWhere the %.1f µs of %s in %s go\n", micros, profiled, f.Regime)
	return s.Text(w, micros)
}

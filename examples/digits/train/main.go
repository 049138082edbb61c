// Command train makes the digit models, the same bits each time:
//
//	go run ./examples/digits/train            write examples/digits/models
//	go run ./examples/digits/train --check    train again and compare with what is committed
//	go run ./examples/digits/train --report   how the demo's thresholds were found
//
// It takes a few seconds. "The same bits" holds on every architecture: one goroutine, fixed seeds, fixed orders of
// summation, no fused multiply-add and no assembly (see examples/digits/internal/exact).
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/candor-gateway/candor/examples/digits"
)

func main() {
	err := run(os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "train:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("train", flag.ContinueOnError)
	dir := flags.String("out", filepath.Join("examples", "digits", "models"), "folder to write the models into")
	check := flags.Bool("check", false, "compare with the committed models instead of writing")
	tables := flags.Bool("report", false, "print the tables that the demo's thresholds were read from")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	set, err := digits.Load()
	if err != nil {
		return err
	}
	parts := set.Split(digits.Seed)
	if *tables {
		return report(out, parts)
	}
	for _, r := range recipes() {
		m, err := r.train(parts)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		file, err := m.Encode()
		if err != nil {
			return err
		}
		verdict := "written"
		if *check {
			verdict = "the same as committed"
			err = compare(m.Name, file)
		} else {
			err = os.WriteFile(filepath.Join(*dir, m.Name+".json"), file, 0o644)
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%-8s right about %.2f %% of %d held-out images; %d bytes, %s\n",
			m.Name, 100*m.HeldOut.Accuracy, m.HeldOut.Rows, len(file), verdict)
	}
	return nil
}

func compare(name string, file []byte) error {
	committed, err := digits.ModelFile(name)
	if err != nil {
		return err
	}
	if !bytes.Equal(committed, file) {
		return fmt.Errorf("%s: retraining gives another file than models/%s.json; write it anew, or find out what changed", name, name)
	}
	return nil
}

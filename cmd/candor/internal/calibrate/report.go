package calibrate

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/calibration"
	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// report is what is said at the end.
type report struct {
	subject  *subject
	data     *candorv1.DataSet
	order    order
	outcome  *outcome
	stored   []*candorv1.Artefact
	storedIn string
}

// writeText writes it for people.
func (r *report) writeText(w io.Writer) error {
	o := r.outcome
	fmt.Fprintf(w, "model      %s %s, backend %s, %s\n", cli.Plain(r.subject.scope.GetModel()), cli.Plain(r.subject.scope.GetVersion()), r.subject.backend,
		strings.ToLower(cli.Enum(r.subject.scope.GetKind())))
	fmt.Fprintf(w, "data       %s, %s, sha256 %s\n", cli.Plain(r.data.GetSource()), cli.Count(r.data.GetRows(), "row"), r.data.GetSha256())
	if o.calibrator != nil {
		fmt.Fprintf(w, "calibrator %s\n", describe(o.calibrator))
	}
	fmt.Fprintf(w, "judged     %s\n\n", r.how())
	table := [][]string{{"", "BEFORE", "AFTER"}}
	for _, line := range []struct {
		name string
		of   func(calibration.Report) float64
	}{
		{"accuracy", func(r calibration.Report) float64 { return r.Accuracy }},
		{"Brier", func(r calibration.Report) float64 { return r.Brier }},
		{"NLL", func(r calibration.Report) float64 { return r.NLL }},
		{"ECE, equal mass", func(r calibration.Report) float64 { return r.ECEMass }},
		{"ECE, equal width", func(r calibration.Report) float64 { return r.ECEWidth }},
		{"AURC", func(r calibration.Report) float64 { return r.AURC }},
	} {
		after := "-"
		if o.after != nil {
			after = fmt.Sprintf("%.4f", line.of(*o.after))
		}
		table = append(table, []string{line.name, fmt.Sprintf("%.4f", line.of(o.before)), after})
	}
	if err := cli.Columns(w, table); err != nil {
		return err
	}
	if o.certificate != nil {
		fmt.Fprintf(w, "\n%s\n", r.promise())
	}
	for _, a := range r.stored {
		fmt.Fprintf(w, "\nstored %s@%d %s", a.GetName(), a.GetVersion(), r.storedIn)
	}
	if len(r.stored) > 0 {
		_, err := fmt.Fprintln(w)
		return err
	}
	return nil
}

// how says on which rows the numbers are.
func (r *report) how() string {
	o := r.outcome
	switch {
	case r.order.certify && o.fitted > 0 && r.order.given == nil && r.order.method != "":
		return fmt.Sprintf("on %s that nothing was fitted on; fitted on the other %d (seed %d)", cli.Count(o.tested, "row"), o.fitted, r.order.seed)
	case r.order.certify:
		return fmt.Sprintf("on %s; the other %d only gave the grid of thresholds (seed %d)", cli.Count(o.tested, "row"), o.fitted, r.order.seed)
	case o.unjudged != "":
		return o.unjudged
	case o.crossed:
		return fmt.Sprintf("by %d-fold cross-validation (seed %d); the calibrator itself is fitted on all %s", folds, r.order.seed, cli.Count(o.fitted, "row"))
	}
	return fmt.Sprintf("on all %s", cli.Count(o.tested, "row"))
}

// promise says in words what the held-out test has shown.
func (r *report) promise() string {
	c := r.outcome.certificate
	if c.Threshold == nil {
		l := c.GetLevels()[0]
		return fmt.Sprintf("NOT CERTIFIED: the first level, %s, keeps %s with %s, which allow an error rate of up to %.4f; alpha is %g. Nothing may be accepted by it.",
			cli.Number(l.GetThreshold()), cli.Count(l.GetRows(), "row"), cli.Count(l.GetErrors(), "error"),
			calibration.UpperBound(l.GetErrors(), l.GetRows(), c.GetDelta()), c.GetAlpha())
	}
	last := c.GetLevels()[0]
	for _, l := range c.GetLevels() {
		if l.GetPassed() {
			last = l
		}
	}
	return fmt.Sprintf("CERTIFIED: with a probability of at least %g, at most %g of the rows with %s of %s or more are wrong, while rows are as these. %s of %d tested are (%.1f %%), with %s: p = %.4g.",
		1-c.GetDelta(), c.GetAlpha(), strings.ToLower(cli.Enum(c.GetConfidence())), cli.Number(c.GetThreshold()), cli.Count(last.GetRows(), "row"), r.outcome.tested,
		100*float64(last.GetRows())/float64(r.outcome.tested), cli.Count(last.GetErrors(), "error"), last.GetPValue())
}

// describe is what a calibrator is, on one line.
func describe(a *candorv1.Artefact) string {
	switch b := a.GetBody().(type) {
	case *candorv1.Artefact_Temperature:
		return "temperature " + cli.Quantity(b.Temperature.GetTemperature())
	case *candorv1.Artefact_Platt:
		return fmt.Sprintf("platt, a %s, b %s", cli.Quantity(b.Platt.GetA()), cli.Quantity(b.Platt.GetB()))
	case *candorv1.Artefact_Isotonic:
		return "isotonic" + pointsOf(len(b.Isotonic.GetX()))
	case *candorv1.Artefact_Beta:
		return fmt.Sprintf("beta, a %s, b %s, c %s", cli.Quantity(b.Beta.GetA()), cli.Quantity(b.Beta.GetB()), cli.Quantity(b.Beta.GetC()))
	case *candorv1.Artefact_VennAbers:
		return "venn-abers" + pointsOf(len(b.VennAbers.GetX()))
	case *candorv1.Artefact_Weights:
		return fmt.Sprintf("ensemble weights %v", b.Weights.GetWeights())
	case *candorv1.Artefact_Stacking:
		return "stacking"
	case *candorv1.Artefact_HeldOut:
		if b.HeldOut.Threshold == nil {
			return fmt.Sprintf("held-out test, alpha %g, delta %g: none passed", b.HeldOut.GetAlpha(), b.HeldOut.GetDelta())
		}
		return fmt.Sprintf("held-out certificate, alpha %g, delta %g, from %s on", b.HeldOut.GetAlpha(), b.HeldOut.GetDelta(), cli.Number(b.HeldOut.GetThreshold()))
	}
	return "unknown to this version"
}

// pointsOf is empty for lists, which leave points out.
func pointsOf(n int) string {
	if n == 0 {
		return ""
	}
	return ", " + cli.Count(n, "point")
}

// writeJSON writes it for programs.
func (r *report) writeJSON(w io.Writer) error {
	o := r.outcome
	out := struct {
		Data        json.RawMessage     `json:"data"`
		Fitted      int                 `json:"fitted_rows"`
		Tested      int                 `json:"tested_rows"`
		Judged      string              `json:"judged"`
		Seed        uint64              `json:"seed"`
		Calibrator  json.RawMessage     `json:"calibrator"`
		Digest      string              `json:"calibrator_digest"`
		Certificate json.RawMessage     `json:"certificate"`
		Before      calibration.Report  `json:"before"`
		After       *calibration.Report `json:"after"`
		Stored      []string            `json:"stored"`
	}{Fitted: o.fitted, Tested: o.tested, Judged: r.how(), Seed: r.order.seed, Before: o.before, After: o.after, Stored: []string{}}
	var err error
	if out.Data, err = messageJSON(r.data); err != nil {
		return err
	}
	if o.calibrator != nil {
		if out.Calibrator, err = messageJSON(o.calibrator); err != nil {
			return err
		}
		if out.Digest, err = calibration.Digest(o.calibrator); err != nil {
			return err
		}
	}
	if o.certificate != nil {
		if out.Certificate, err = messageJSON(o.certificate); err != nil {
			return err
		}
	}
	for _, a := range r.stored {
		out.Stored = append(out.Stored, fmt.Sprintf("%s@%d", a.GetName(), a.GetVersion()))
	}
	return cli.Value(w, out)
}

func messageJSON(m proto.Message) (json.RawMessage, error) {
	data, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	return data, nil
}

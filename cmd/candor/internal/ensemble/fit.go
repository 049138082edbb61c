package ensemble

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/candor-gateway/candor/calibration/combine"
	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// report is what a fit has made, and what it and everything beside it are worth.
type report struct {
	artefact *candorv1.Artefact
	combiner candorv1.Combiner
	rows     int
	lines    []line
	weights  []float64
	members  []string
	// agreed is the share of rows about which all members say the same, and right the share of those that are right.
	agreed, right float64
	// cost of a row, all members together, and of the remedial backend; nil: not stated.
	cost, dear *float64
	dearName   string
}

// line is one row of the table.
type line struct {
	who    string
	scores combine.Scores
	cost   *float64
}

func fit(ctx context.Context, o options) (*report, error) {
	cfg, e, err := load(o)
	if err != nil {
		return nil, err
	}
	combiner, err := parseCombiner(o.combiner, e)
	if err != nil {
		return nil, err
	}
	source, flag := o.data, "--data"
	if o.replay != "" {
		source, flag = o.replay, "--replay"
	}
	data, err := os.ReadFile(source)
	if err != nil {
		return nil, cli.Fail("name a file of JSON lines", "%s: %w", flag, err)
	}
	r := &report{combiner: combiner}
	var versions []string
	for _, m := range e.GetMembers() {
		r.members = append(r.members, m.GetBackend())
		versions = append(versions, m.GetBackend()+"@"+cfg.GetBackends()[m.GetBackend()].GetVersion())
	}
	labels := labelsOf(cfg, e)
	if len(labels) < 2 {
		return nil, cli.Fail("name an ensemble of classifiers", "ensembles.%s: its members have no labels", o.ensemble)
	}
	if o.replay != "" {
		if data, err = replay(ctx, cfg, r.members, bytes.NewReader(data)); err != nil {
			return nil, cli.Fail("correct the file, or the model server", "%s: %s: %w", flag, source, err)
		}
	}
	rows, err := combine.Read(bytes.NewReader(data), r.members, labels)
	if err != nil {
		return nil, cli.Fail("correct the file", "%s: %s: %w", flag, source, err)
	}
	r.rows = len(rows)
	params, err := combine.Fit(combiner, rows, o.l2)
	if err != nil {
		return nil, cli.Fail("", "%w", err)
	}
	r.weights = params.Weights.GetWeights()
	crossed, err := combine.CrossValidate(combiner, rows, o.l2)
	if err != nil {
		return nil, cli.Fail("", "%w", err)
	}
	r.measure(cfg, e, rows)
	r.lines = append(r.lines,
		line{"mean", combine.Evaluate(rows, func(m [][]float64) []float64 { return combine.Mean(m, nil) }), r.cost},
		line{strings.ToLower(cli.Enum(combiner)) + " (fitted)", crossed, r.cost})
	sum := sha256.Sum256(data)
	name := o.name
	if name == "" {
		name = o.ensemble
	}
	r.artefact = &candorv1.Artefact{
		Name:  name,
		Scope: &candorv1.ArtefactScope{Model: o.ensemble, Version: e.GetVersion(), Kind: candorv1.ScoreKind_SCORE_KIND_PROBABILITY, Labels: labels, Members: versions},
		Data:  &candorv1.DataSet{Sha256: hex.EncodeToString(sum[:]), Rows: uint64(len(rows)), Source: filepath.Base(source)},
		Body:  &candorv1.Artefact_Weights{Weights: params.Weights},
	}
	if params.Stacking != nil {
		r.artefact.Body = &candorv1.Artefact_Stacking{Stacking: params.Stacking}
	}
	return r, nil
}

func labelsOf(cfg *candorv1.Config, e *candorv1.Ensemble) []string {
	for _, m := range e.GetMembers() {
		if scores := cfg.GetBackends()[m.GetBackend()].GetCard().GetScores(); len(scores) > 0 {
			return scores[0].GetLabels()
		}
	}
	return nil
}

// measure scores each member alone, and counts costs and agreement.
func (r *report) measure(cfg *candorv1.Config, e *candorv1.Ensemble, rows []combine.Example) {
	sum, known := 0.0, true
	for m, name := range r.members {
		b := cfg.GetBackends()[name]
		known = known && b.Cost != nil
		sum += b.GetCost()
		r.lines = append(r.lines, line{name, combine.Evaluate(rows, func(p [][]float64) []float64 { return p[m] }), b.Cost})
	}
	if known {
		r.cost = &sum
	}
	if name := e.GetRemedial().GetBackend(); name != "" {
		r.dearName, r.dear = name, cfg.GetBackends()[name].Cost
	}
	agreed, right := 0, 0
rows:
	for _, row := range rows {
		top := combine.Top(row.Members[0])
		for _, p := range row.Members[1:] {
			if combine.Top(p) != top {
				continue rows
			}
		}
		agreed++
		if top == row.Label {
			right++
		}
	}
	r.agreed = float64(agreed) / float64(len(rows))
	if agreed > 0 {
		r.right = float64(right) / float64(agreed)
	}
}

func (r *report) write(w io.Writer) error {
	table := [][]string{{"ANSWER OF", "ACCURACY", "NLL", "BRIER", "COST"}}
	for _, l := range r.lines {
		table = append(table, []string{l.who, fmt.Sprintf("%.4f", l.scores.Accuracy), fmt.Sprintf("%.4f", l.scores.NLL), fmt.Sprintf("%.4f", l.scores.Brier), costText(l.cost)})
	}
	if err := cli.Table(w, table); err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d rows. The fit is scored on rows that it was not fitted on (%d parts).\n", r.rows, combine.Folds)
	for i, weight := range r.weights {
		fmt.Fprintf(&b, "weight %.4f of %s\n", weight, cli.Plain(r.members[i]))
	}
	fmt.Fprintf(&b, "All members say the same of %.1f %% of the rows; of these %.2f %% are right.\n", 100*r.agreed, 100*r.right)
	if r.cost != nil && r.dear != nil {
		fmt.Fprintf(&b, "With combiner agreement and %s behind it, an answer costs %.4g on average; asking %s alone costs %.4g.\n",
			cli.Plain(r.dearName), *r.cost+(1-r.agreed)**r.dear, cli.Plain(r.dearName), *r.dear)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func costText(cost *float64) string {
	if cost == nil {
		return ""
	}
	return fmt.Sprintf("%.4g", *cost)
}

// reference is how the configuration names an artefact.
func reference(a *candorv1.Artefact) string { return fmt.Sprintf("%s@%d", a.GetName(), a.GetVersion()) }

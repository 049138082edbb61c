package main

import (
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/candor-gateway/candor/examples/digits"
)

// What the demo's policy knows beforehand. The primary's threshold is learned while the demo runs: its policy promises an error
// rate, and the levels that it tries are [gridLevels]. The fallback's threshold is typed and follows a rule, which the report also
// applies to the primary, for comparison: the lowest, in steps of 0.01, from which on upwards the answers let through are right at
// least so often. The primary's target is high, because what it lets through nobody looks at again; the fallback's is lower,
// because what it stops costs a reviewer. Levels and rule see images that the models haven't learned from and that aren't held out:
// see [unlearned]. The two targets are wishes, in round numbers; they were set with both columns of the report in view, and the
// thresholds follow from the first column alone.
const (
	primaryTarget  = 0.99
	fallbackTarget = 0.98
	// minAccepted rows are needed to speak of a share at all: a threshold so high that fewer pass is not judged.
	minAccepted = 30
)

// point is what a threshold does to a set of answers.
type point struct {
	threshold       float64
	accepted, right int
}

func (p point) share(of int) float64 { return ratio(p.accepted, of) }

func (p point) accuracy() float64 { return ratio(p.right, p.accepted) }

func ratio(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// answer is one row's most probable digit.
type answer struct {
	confidence float64
	right      bool
}

// curve is a point for each threshold from 0 to 0.99.
func curve(answers []answer) []point {
	points := make([]point, 100)
	for i := range points {
		points[i] = at(answers, float64(i)/100)
	}
	return points
}

// at is what one threshold does.
func at(answers []answer, threshold float64) point {
	p := point{threshold: threshold}
	for _, a := range answers {
		if a.confidence >= threshold {
			p.accepted++
			if a.right {
				p.right++
			}
		}
	}
	return p
}

// choose is the lowest threshold at which, and at every higher one that accepts minAccepted rows, the accuracy is at
// least target. (At a single lucky threshold it may be so by chance.)
func choose(points []point, target float64) point {
	chosen := points[len(points)-1]
	for i := len(points) - 1; i >= 0; i-- {
		if points[i].accepted >= minAccepted && points[i].accuracy() < target {
			break
		}
		chosen = points[i]
	}
	return chosen
}

// stages is what the demo's policy does with a set: the primary's answers, and the ensemble's for the rows below the
// primary's threshold.
type stages struct {
	rows              int
	primary, fallback []answer
}

// play runs a set through primary and ensemble without any server.
func play(set digits.Set, primary *digits.Model, members []*digits.Model, threshold float64) (stages, error) {
	s := stages{rows: len(set)}
	for _, img := range set {
		p, err := primary.Probabilities(img.Pixels)
		if err != nil {
			return stages{}, err
		}
		first := judge(p, img.Label)
		s.primary = append(s.primary, first)
		if first.confidence >= threshold {
			continue
		}
		mean := make([]float64, digits.Classes)
		for _, member := range members {
			p, err := member.Probabilities(img.Pixels)
			if err != nil {
				return stages{}, err
			}
			for i := range mean {
				mean[i] += p[i] / float64(len(members))
			}
		}
		s.fallback = append(s.fallback, judge(mean, img.Label))
	}
	return s, nil
}

func judge(p []float64, label int) answer {
	top := digits.Top(p)
	return answer{confidence: p[top], right: top == label}
}

// unlearned is the images to choose the primary's threshold on: the training images that it was not given, and the
// calibration part. (Its temperature was chosen on the latter; one number can't learn much.)
func unlearned(parts digits.Parts, primary *digits.Model) digits.Set {
	return append(slices.Clone(parts.Train[primary.Training.Rows:]), parts.Calibration...)
}

// thresholds are what the rule gives for both stages; the demo uses the second. The members learned from the whole training part, so the fallback's is
// chosen on the calibration part alone.
func thresholds(parts digits.Parts, primary *digits.Model, members []*digits.Model) (first, second float64, err error) {
	s, err := play(unlearned(parts, primary), primary, nil, 0)
	if err != nil {
		return 0, 0, err
	}
	first = choose(curve(s.primary), primaryTarget).threshold
	if s, err = play(parts.Calibration, primary, members, first); err != nil {
		return 0, 0, err
	}
	return first, choose(curve(s.fallback), fallbackTarget).threshold, nil
}

// Shares of the rows that the levels of the promise's grid keep, in percent: the strictest, the last, and what lies between.
const (
	firstShare = 60
	lastShare  = 100
	shareStep  = 5
)

// gridLevels are confidences of the primary, each of which keeps so large a share of the answers, the strictest first, cut to
// four decimals. Whether an answer is right plays no part: that is for the certificate to find out.
func gridLevels(answers []answer) []float64 {
	confidences := make([]float64, len(answers))
	for i, a := range answers {
		confidences[i] = a.confidence
	}
	slices.Sort(confidences)
	slices.Reverse(confidences)
	const decimals = 1e4
	var levels []float64
	for share := firstShare; share <= lastShare && len(confidences) > 0; share += shareStep {
		level := math.Floor(confidences[(len(confidences)*share+99)/100-1]*decimals) / decimals
		if len(levels) == 0 || level < levels[len(levels)-1] {
			levels = append(levels, level)
		}
	}
	return levels
}

// report prints how the numbers of examples/digits/candor.yaml were found, and what they do to the held-out part.
func report(w io.Writer, parts digits.Parts) error {
	models := make([]*digits.Model, len(digits.Names()))
	for i, name := range digits.Names() {
		var err error
		if models[i], err = digits.LoadModel(name); err != nil {
			return err
		}
		h := models[i].HeldOut
		fmt.Fprintf(w, "%-8s right about %.1f %% of %d held-out images\n", name, 100*h.Accuracy, h.Rows)
	}
	primary, members := models[0], models[1:]
	first, second, err := thresholds(parts, primary, members)
	if err != nil {
		return err
	}
	unseen, err := play(unlearned(parts, primary), primary, nil, first)
	if err != nil {
		return err
	}
	calibration, err := play(parts.Calibration, primary, members, first)
	if err != nil {
		return err
	}
	heldOut, err := play(parts.HeldOut, primary, members, first)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\nPrimary %s: the levels of the promise's grid, which keep %d %% to %d %% of rows that it hadn't learned from\n\n", primary.Name, firstShare, lastShare)
	levelTable(w, unseen.primary, heldOut.primary)
	fmt.Fprintf(w, "\nPrimary %s, if a person were to write a threshold: the lowest whose accepted rows are right at least %.1f %% of the time\n\n", primary.Name, 100*primaryTarget)
	table(w, unseen.primary, heldOut.primary, first)
	fmt.Fprintf(w, "\nMean of mlp and kernel, on the rows that the primary leaves: at least %.1f %%\n\n", 100*fallbackTarget)
	table(w, calibration.fallback, heldOut.fallback, second)

	p, f := curve(heldOut.primary)[index(first)], curve(heldOut.fallback)[index(second)]
	all := curve(heldOut.primary)[0]
	fmt.Fprintf(w, "\nTogether on the held-out part: %d accepted, %d from the fallback, %d deferred; %.2f %% of the answers right, %.2f %% by the primary alone\n",
		p.accepted, f.accepted, heldOut.rows-p.accepted-f.accepted, 100*ratio(p.right+f.right, p.accepted+f.accepted), 100*all.accuracy())
	return nil
}

func index(threshold float64) int { return int(100*threshold + 0.5) }

// levelTable prints what each level lets through.
func levelTable(w io.Writer, calibration, heldOut []answer) {
	fmt.Fprintln(w, "             calibration           held out (not used to choose)")
	fmt.Fprintln(w, "level        accepted   accuracy   accepted   accuracy")
	for _, level := range gridLevels(calibration) {
		c, h := at(calibration, level), at(heldOut, level)
		fmt.Fprintf(w, "   %.4f    %6.1f %%   %6.2f %%   %6.1f %%   %6.2f %%\n", level,
			100*c.share(len(calibration)), 100*c.accuracy(), 100*h.share(len(heldOut)), 100*h.accuracy())
	}
}

// table prints every fifth threshold and the chosen one. The held-out columns are there to be honest, not to choose by.
func table(w io.Writer, calibration, heldOut []answer, chosen float64) {
	fmt.Fprintln(w, "             calibration           held out (not used to choose)")
	fmt.Fprintln(w, "threshold    accepted   accuracy   accepted   accuracy")
	held := curve(heldOut)
	for i, p := range curve(calibration) {
		isChosen := i == index(chosen)
		if i%5 != 0 && !isChosen {
			continue
		}
		mark := ""
		if isChosen {
			mark = "  <- chosen"
		}
		fmt.Fprintf(w, "     %.2f    %6.1f %%   %6.2f %%   %6.1f %%   %6.2f %%%s\n", p.threshold,
			100*p.share(len(calibration)), 100*p.accuracy(), 100*held[i].share(len(heldOut)), 100*held[i].accuracy(), mark)
	}
}

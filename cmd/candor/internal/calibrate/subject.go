package calibrate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/candor-gateway/candor/calibration"
	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// subject is the model that rows are of.
type subject struct {
	backend string
	config  *candorv1.Backend
	scope   *candorv1.ArtefactScope
	score   *candorv1.Score
}

// subjectOf finds a backend in a configuration, and what its card says of its scores.
func subjectOf(cfg *candorv1.Config, backend string) (*subject, error) {
	b := cfg.GetBackends()[backend]
	if b == nil {
		return nil, cli.Fail("use one of "+strings.Join(slices.Sorted(maps.Keys(cfg.GetBackends())), ", "), "--backend: the configuration has no backend %q", backend)
	}
	if len(b.GetCard().GetScores()) == 0 {
		return nil, cli.Fail("declare what its output is under backends."+backend+".card.scores", "backend %s declares no score", backend)
	}
	if n := len(b.GetCard().GetScores()); n > 1 {
		return nil, cli.Fail("choose a backend whose card has one score", "backend %s has %d scores, and a calibrator is made for one", backend, n)
	}
	score := b.GetCard().GetScores()[0]
	if score.GetKind() == candorv1.ScoreKind_SCORE_KIND_REGRESSION || len(score.GetLabels()) < 2 {
		return nil, cli.Fail("choose a backend whose score has labels", "backend %s answers %s, and calibrators are for probabilities of labels",
			backend, strings.ToLower(cli.Enum(score.GetKind())))
	}
	return &subject{backend: backend, config: b, score: score, scope: &candorv1.ArtefactScope{
		Model: b.GetModel(), Version: b.GetVersion(), Kind: score.GetKind(), Labels: score.GetLabels(),
	}}, nil
}

// sample makes probabilities of rows as the gateway does, and refuses what the gateway would.
func (s *subject) sample(file string, rows []raw) (calibration.Sample, error) {
	out := calibration.Sample{Labels: s.scope.GetLabels()}
	if len(rows) == 0 {
		return out, wrong(file, "", "write at least some hundred", "it has no rows")
	}
	for _, r := range rows {
		truth := slices.Index(out.Labels, r.label)
		if truth < 0 {
			return out, wrong(file, r.place, "write one of "+quoted(out.Labels), "label %q is none of the model's", r.label)
		}
		ev := router.Score(router.Scores{
			Stage: s.backend, Kind: s.score.GetKind(), Values: r.scores, Labels: out.Labels, SumTolerance: s.score.GetSumTolerance(),
		})
		if len(ev.Faults) > 0 || len(ev.Probs) != len(out.Labels) {
			return out, wrong(file, r.place, "write the model's own numbers, which the card calls "+strings.ToLower(cli.Enum(s.score.GetKind())),
				"%s", cmp.Or(ev.Detail, "the scores make no probabilities"))
		}
		out.Probs, out.Truth = append(out.Probs, ev.Probs), append(out.Truth, truth)
	}
	return out, nil
}

// quoted lists labels, the first few of many.
func quoted(labels []string) string {
	const most = 12
	if len(labels) > most {
		return fmt.Sprintf("%q and %d more", labels[:most], len(labels)-most)
	}
	return fmt.Sprintf("%q", labels)
}

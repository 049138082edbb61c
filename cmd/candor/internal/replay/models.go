package replay

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/candor-gateway/candor/calibration"
	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/stores"
	"github.com/candor-gateway/candor/config"
	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/replay"
	"github.com/candor-gateway/candor/router"
)

// Values of --certificates.
const (
	current = "current"
	none    = "none"
)

// statedThresholds reads model/stage=0.97.
func statedThresholds(flags []string) (map[string]float64, error) {
	out := map[string]float64{}
	for _, text := range flags {
		place, number, ok := strings.Cut(text, "=")
		model, stage, isPlace := strings.Cut(place, "/")
		v, err := strconv.ParseFloat(number, 64)
		if !ok || !isPlace || model == "" || stage == "" || err != nil || !(v >= 0 && v <= 1) {
			return nil, cli.Usage("write model/stage=0.97: a primary or an ensemble, and a number from 0 to 1 on the confidence scale", "--threshold: %q", text)
		}
		if _, twice := out[place]; twice {
			return nil, cli.Usage("state it once", "--threshold: %s twice", place)
		}
		out[place] = v
	}
	return out, nil
}

// models are those of the configuration, as a gateway would decide with the store's certificates.
func (f *flags) models(ctx context.Context, cfg *candorv1.Config, was []*candorv1.Config, store stores.Reader, stated map[string]float64) ([]*replay.Model, error) {
	var states []*candorv1.CertificateState
	if f.certificates == current {
		var err error
		if states, err = store.Certificates(ctx, "", false); err != nil {
			return nil, err
		}
	}
	used := map[string]bool{}
	var out []*replay.Model
	for _, name := range slices.Sorted(maps.Keys(cfg.GetModels())) {
		policies, err := gateway.Licensed(cfg, name, artefacts(ctx, store), states, store.Now())
		if err != nil {
			return nil, cli.Fail("correct the configuration, or make what is missing with candor calibrate --store", "%w", err)
		}
		m, err := modelOf(cfg, name, policies, stated, used)
		if err != nil {
			return nil, err
		}
		for _, old := range was {
			if err := knows(ctx, m, old, name, store); err != nil {
				return nil, err
			}
		}
		out = append(out, m)
	}
	for place := range stated {
		if !used[place] {
			return nil, cli.Usage("name a model, and its primary or an ensemble that it falls back to", "--threshold: the configuration has no stage %s", place)
		}
	}
	return out, nil
}

func modelOf(cfg *candorv1.Config, name string, policies []gateway.SegmentPolicy, stated map[string]float64, used map[string]bool) (*replay.Model, error) {
	bySegment, large := map[string]router.Policy{}, map[string]router.Policy{}
	mc := cfg.GetModels()[name]
	state := func(l *router.License, stage string) {
		place := name + "/" + stage
		if v, ok := stated[place]; ok {
			l.Threshold, l.Missing = &v, candorv1.Reason_REASON_UNSPECIFIED
		}
	}
	used[name+"/"+mc.GetPrimary()] = true
	tiers := router.Cascade(mc.GetPolicy())
	for _, t := range tiers {
		used[name+"/"+t.GetEnsemble()] = true
	}
	with := func(p router.Policy) router.Policy {
		p.Tiers = slices.Clone(p.Tiers)
		state(&p.Primary, mc.GetPrimary())
		for k := range p.Tiers {
			state(&p.Tiers[k], tiers[k].GetEnsemble())
		}
		return p
	}
	for _, s := range policies {
		bySegment[s.Segment], large[s.Segment] = with(s.Policy), with(s.Large)
	}
	m, err := replay.NewModel(cfg, name, config.Digest(cfg, name), bySegment)
	if err != nil {
		return nil, err
	}
	if p := mc.GetPolicy().GetAccept().GetPromise(); p != nil {
		m.Larger(int(p.GetMaxRows()), large)
	}
	return m, nil
}

// knows adds an old configuration of a model; one that doesn't have it is left alone. Thresholds don't matter: records tell them.
func knows(ctx context.Context, m *replay.Model, old *candorv1.Config, name string, store stores.Reader) error {
	if old.GetModels()[name] == nil {
		return nil
	}
	policies, err := gateway.Licensed(old, name, artefacts(ctx, store), nil, store.Now())
	if err != nil {
		return cli.Fail("leave that --was out, or name the configuration that this store belongs to", "--was: %w", err)
	}
	was, err := modelOf(old, name, policies, nil, map[string]bool{})
	if err != nil {
		return err
	}
	m.Knows(was.Was())
	return nil
}

// artefacts reads name@version from the store.
func artefacts(ctx context.Context, store stores.Reader) func(string) (*candorv1.Artefact, error) {
	return func(ref string) (*candorv1.Artefact, error) {
		name, text, _ := strings.Cut(ref, "@")
		version, err := strconv.ParseUint(text, 10, 32)
		if err != nil || version == 0 {
			return nil, fmt.Errorf("%q is not name@version", ref)
		}
		a, err := store.GetArtefact(ctx, name, uint32(version))
		if errors.Is(err, calibration.ErrNoArtefact) {
			return nil, fmt.Errorf("the store has no %s", ref)
		}
		return a, err
	}
}

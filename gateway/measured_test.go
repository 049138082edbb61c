package gateway

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// measuredConfig has a primary with a meta model, a tier with a threshold of its own, and one behind it that the promise covers.
func measuredConfig() *candorv1.Config {
	card := func() *candorv1.ModelCard {
		return &candorv1.ModelCard{Scores: []*candorv1.Score{{Output: "out", Kind: candorv1.ScoreKind_SCORE_KIND_REGRESSION,
			Regression: &candorv1.RegressionScore{Unit: "EUR", VarianceOutput: "var", Coverage: proto.Float64(.9)}}}}
	}
	backend := func() *candorv1.Backend { return &candorv1.Backend{Model: "m", Version: "1", Card: card()} }
	ensemble := func(member, spare string) *candorv1.Ensemble {
		return &candorv1.Ensemble{Version: "1", Members: []*candorv1.Member{{Backend: member}}, Quorum: 1,
			Remedial: &candorv1.Remedial{Stage: &candorv1.Remedial_Backend{Backend: spare}}}
	}
	return &candorv1.Config{
		Backends:  map[string]*candorv1.Backend{"p": backend(), "meta": backend(), "a": backend(), "b": backend(), "old": backend()},
		Ensembles: map[string]*candorv1.Ensemble{"first": ensemble("a", "old"), "second": ensemble("b", "old")},
		Models: map[string]*candorv1.Model{"x": {Primary: "p", Policy: &candorv1.Policy{
			IntervalScale: proto.Float64(10), Meta: &candorv1.MetaScore{Backend: "meta"},
			Accept: &candorv1.Accept{License: &candorv1.Accept_Promise{Promise: &candorv1.Promise{
				Segments: []*candorv1.Segment{{Name: "one", When: "params.a"}, {Name: "two", When: "params.b"}}}}},
			Fallback:   &candorv1.FallbackPolicy{Ensemble: "first", Threshold: &candorv1.Threshold{At: &candorv1.Threshold_Probability{Probability: .8}}},
			Then:       []*candorv1.FallbackPolicy{{Ensemble: "second"}},
			Conditions: []*candorv1.Condition{{Name: "c", When: "evidence.confidence < 0.5", Route: candorv1.Route_ROUTE_FALLBACK}},
		}}},
	}
}

// What decides the numbers that are compared, or which rows are, is part of what is measured; what doesn't is not.
func TestWhatIsMeasured(t *testing.T) {
	type names struct {
		scale, members           string
		one, two, rest, tier, t2 string
	}
	of := func(c *candorv1.Config) names {
		p := c.GetModels()["x"].GetPolicy()
		m := &model{cfg: c.GetModels()["x"], backendCfg: c.GetBackends()["p"], fields: []field{{}}}
		at := func(segment string, stage int) string { return populationDigest(c, p, segment, stage) }
		return names{scaleDigest(c, m, 0), membersDigest(c, "second"), at("one", 0), at("two", 0), at(rest, 0), at("one", 1), at("one", 2)}
	}
	was := of(measuredConfig())
	if was != of(measuredConfig()) {
		t.Fatal("the same configuration has two names")
	}
	const changed = "changed"
	for name, tt := range map[string]struct {
		change func(*candorv1.Config, *candorv1.Policy)
		want   func(*names)
	}{
		"the meta model's version": {func(c *candorv1.Config, _ *candorv1.Policy) { c.Backends["meta"].Version = "2" }, func(n *names) { n.scale = changed }},
		"the interval's coverage": {func(c *candorv1.Config, _ *candorv1.Policy) {
			c.Backends["p"].Card.Scores[0].Regression.Coverage = proto.Float64(.5)
		}, func(n *names) { n.scale = changed }},
		"another output":        {func(c *candorv1.Config, _ *candorv1.Policy) { c.Backends["p"].Card.Scores[0].Output = "other" }, func(n *names) { n.scale = changed }},
		"the policy's scale":    {func(_ *candorv1.Config, p *candorv1.Policy) { p.IntervalScale = proto.Float64(9) }, func(n *names) { n.scale = changed }},
		"a member's version":    {func(c *candorv1.Config, _ *candorv1.Policy) { c.Backends["b"].Version = "2" }, func(n *names) { n.members = changed }},
		"a member's calibrator": {func(c *candorv1.Config, _ *candorv1.Policy) { c.Backends["b"].Calibrator = "k@1" }, func(n *names) { n.members = changed }},
		"the tier before's":     {func(c *candorv1.Config, _ *candorv1.Policy) { c.Backends["a"].Version = "2" }, func(n *names) { n.t2 = changed }},
		"a remedial's version":  {func(c *candorv1.Config, _ *candorv1.Policy) { c.Backends["old"].Version = "2" }, func(n *names) { n.members, n.t2 = changed, changed }},
		"a threshold before": {func(_ *candorv1.Config, p *candorv1.Policy) {
			p.Fallback.Threshold.At = &candorv1.Threshold_Probability{Probability: .7}
		}, func(n *names) { n.t2 = changed }},
		"a condition":        {func(_ *candorv1.Config, p *candorv1.Policy) { p.Conditions[0].When = "true" }, func(n *names) { n.tier, n.t2 = changed, changed }},
		"the held-out start": {func(_ *candorv1.Config, p *candorv1.Policy) { p.GetAccept().GetPromise().HeldOut = "h@2" }, func(n *names) { n.tier, n.t2 = changed, changed }},
		"the last segment":   {func(_ *candorv1.Config, p *candorv1.Policy) { p.GetAccept().GetPromise().Segments[1].When = "true" }, func(n *names) { n.two, n.rest = changed, changed }},
		"the first segment":  {func(_ *candorv1.Config, p *candorv1.Policy) { p.GetAccept().GetPromise().Segments[0].When = "true" }, func(n *names) { n.one, n.two, n.rest, n.tier, n.t2 = changed, changed, changed, changed, changed }},
		"a member's time": {func(c *candorv1.Config, _ *candorv1.Policy) {
			c.Ensembles["second"].Members[0].Timeout = durationpb.New(1)
		}, func(*names) {}},
		"where a member runs":   {func(c *candorv1.Config, _ *candorv1.Policy) { c.Backends["b"].Address = "elsewhere:1" }, func(*names) {}},
		"what is done on defer": {func(_ *candorv1.Config, p *candorv1.Policy) { p.OnDefer = candorv1.OnDefer_ON_DEFER_DEFAULT }, func(*names) {}},
		"a condition's name":    {func(_ *candorv1.Config, p *candorv1.Policy) { p.Conditions[0].Name = "d" }, func(*names) {}},
		"how far a sum may be off": {func(c *candorv1.Config, _ *candorv1.Policy) {
			c.Backends["p"].Card.Scores[0].SumTolerance = proto.Float64(.1)
		}, func(*names) {}},
	} {
		t.Run(name, func(t *testing.T) {
			c := measuredConfig()
			tt.change(c, c.GetModels()["x"].GetPolicy())
			now, want := of(c), was
			tt.want(&want)
			for _, of := range []struct{ was, now, want *string }{
				{&was.scale, &now.scale, &want.scale}, {&was.members, &now.members, &want.members}, {&was.one, &now.one, &want.one},
				{&was.two, &now.two, &want.two}, {&was.rest, &now.rest, &want.rest}, {&was.tier, &now.tier, &want.tier}, {&was.t2, &now.t2, &want.t2},
			} {
				if *of.now != *of.was {
					*of.now = changed
				}
			}
			if now != want {
				t.Errorf("got %+v, want %+v", now, want)
			}
		})
	}
}

// Without segments every row is the primary's, whatever else the policy says.
func TestThePrimaryAnswersEveryRow(t *testing.T) {
	c := measuredConfig()
	p := c.GetModels()["x"].GetPolicy()
	p.GetAccept().GetPromise().Segments = nil
	if got := populationDigest(c, p, "", 0); got != "" {
		t.Errorf("chosen by %q", got)
	}
}

package main

import (
	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/calibration/simulate"
	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/config"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// fromPolicy takes what the flags don't say from a model's policy.
func (f *simulateFlags) fromPolicy(cmd *cobra.Command, cfg *simulate.Config) error {
	if f.config == "" || f.model == "" {
		return cli.Usage("--config candor.yaml --model NAME", "--config and --model go together")
	}
	file, faults := config.Check(f.config)
	if n := len(faults.Errors()); n > 0 {
		return cli.Fail("candor check "+f.config+" lists them", "%s has %s", f.config, cli.Count(n, "fault"))
	}
	model, ok := file.GetModels()[f.model]
	if !ok {
		return cli.Usage("name one of the models of "+f.config, "--model: there is no model %q", f.model)
	}
	policy := model.GetPolicy()
	promise := policy.GetAccept().GetPromise()
	if promise == nil {
		return cli.Fail("write accept: {promise: {alpha: 0.05, delta: 0.05, audit: {rate: 0.1}}}, or leave out --config",
			"the policy of %s makes no promise", f.model)
	}
	p := &cfg.Policy
	flags := cmd.Flags()
	set := func(name string, take func()) {
		if !flags.Changed(name) {
			take()
		}
	}
	set("alpha", func() { p.Alpha = promise.GetAlpha() })
	set("delta", func() { p.Delta = promise.GetDelta() })
	set("audit", func() { p.Audit = auditRate(promise.GetAudit(), cfg.PerDay) })
	set("observe", func() { p.Enforce = policy.GetMode() == candorv1.Mode_MODE_ENFORCE })
	set("fallback", func() { p.Fallback = policy.GetFallback() != nil })
	set("stale-after", func() { p.StaleAfter = promise.GetStaleAfter().AsDuration() })
	set("deadline", func() { cfg.Team.Deadline = policy.GetReview().GetDeadline().AsDuration() })
	p.Grid, p.AlarmRunLength = promise.GetGrid(), promise.GetAlarmRunLength()
	return nil
}

// auditRate of a budget.
func auditRate(a *candorv1.AuditSampling, perDay float64) float64 {
	if n := a.GetPerDay(); n > 0 && perDay > 0 {
		return min(float64(n)/perDay, 1)
	}
	return a.GetRate()
}

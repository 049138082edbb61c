// Package ensemble is the command candor ensemble: it fits the weights of an ensemble on held-out rows, and says what they are worth.
package ensemble

import (
	"context"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/calibration/combine"
	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	"github.com/candor-gateway/candor/config"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Command makes the command.
func Command() *cobra.Command {
	c := &cobra.Command{
		Use:     "ensemble",
		Short:   "Fit the weights of an ensemble, and see what it is worth",
		Example: `  candor ensemble fit --config candor.yaml --ensemble second --data heldout.jsonl --out second.json`,
		RunE:    cli.Group,
	}
	c.AddCommand(fitCommand())
	return c
}

// options are what the command line says.
type options struct {
	config, ensemble, data, replay, combiner, name, out string
	l2                                                  float64
	store                                               bool
}

func fitCommand() *cobra.Command {
	var o options
	var f remote.Flags
	c := &cobra.Command{
		Use:   "fit",
		Short: "Fit weights or a stacking model on held-out rows",
		Long: `Fit what an ensemble's combiner wants on held-out rows: the weights of weighted_mean,
log_pool and weighted_vote, or the model of stacking.

FILE holds a row a line, with what each member said of it, in the order of the labels,
and the label that is true:

  {"members": {"mlp": [0.1, 0.9], "kernel": [0.2, 0.8]}, "label": "spam"}

With --replay it holds inputs instead, row-major, and the members are asked here and now
(their calibrators are not applied):

  {"inputs": {"x": [0.5, 1.5]}, "label": "spam"}

No member may have been trained on these rows. Accuracy, NLL and Brier of the fit are
those of five-fold cross-validation, so that they don't flatter it.

The configuration names what is stored: fitted: NAME@VERSION.`,
		Example: `  candor ensemble fit --config candor.yaml --ensemble second --data heldout.jsonl
  candor ensemble fit --config candor.yaml --ensemble second --data heldout.jsonl --combiner stacking --store`,
		Args: cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := fit(cmd.Context(), o)
			if err != nil {
				return err
			}
			if err := report.write(cmd.OutOrStdout()); err != nil {
				return err
			}
			if o.out != "" {
				if err := writeFile(o.out, report.artefact); err != nil {
					return cli.Fail("name a file that can be written", "--out: %w", err)
				}
			}
			if !o.store {
				return nil
			}
			return f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
				resp, err := candorv1.NewArtefactServiceClient(conn).PutArtefact(ctx, &candorv1.PutArtefactRequest{Artefact: report.artefact})
				if err != nil {
					return err
				}
				return cli.Columns(cmd.OutOrStdout(), [][]string{{"stored as fitted: " + reference(resp.GetArtefact())}})
			})
		},
	}
	c.Flags().StringVar(&o.config, "config", "candor.yaml", "configuration with the ensemble")
	c.Flags().StringVar(&o.ensemble, "ensemble", "", "its name there")
	c.Flags().StringVar(&o.data, "data", "", "file with held-out rows")
	c.Flags().StringVar(&o.replay, "replay", "", "file with inputs, which the members' model servers are asked about")
	c.Flags().StringVar(&o.combiner, "combiner", "", "weighted_mean, log_pool, weighted_vote or stacking (default: the ensemble's)")
	c.Flags().Float64Var(&o.l2, "l2", combine.DefaultL2, "strength of the penalty on stacking coefficients")
	c.Flags().StringVar(&o.name, "name", "", "name of the artefact (default: the ensemble's)")
	c.Flags().StringVar(&o.out, "out", "", "write the artefact as JSON to this file")
	c.Flags().BoolVar(&o.store, "store", false, "store it in the gateway; you need an operator's token")
	f.Register(c.Flags())
	return c
}

// load answers the configuration and the ensemble in it.
func load(o options) (*candorv1.Config, *candorv1.Ensemble, error) {
	if o.ensemble == "" || (o.data == "") == (o.replay == "") {
		return nil, nil, cli.Usage("give these two", "--ensemble and either --data or --replay are wanted")
	}
	// Not config.Load: an ensemble that is still to be fitted is a fault of the configuration.
	cfg, faults := config.Check(o.config)
	if cfg == nil {
		return nil, nil, cli.Fail("candor check tells all of it", "--config: %w", faults)
	}
	e := cfg.GetEnsembles()[o.ensemble]
	if e == nil {
		return nil, nil, cli.Fail("name one that is there", "--ensemble: %s has no ensemble %q", o.config, o.ensemble)
	}
	return cfg, e, nil
}

func writeFile(name string, a *candorv1.Artefact) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() {
		if closing := f.Close(); err == nil {
			err = closing
		}
	}()
	return cli.JSON(f, a)
}

// parseCombiner answers the combiner that is to be fitted.
func parseCombiner(text string, e *candorv1.Ensemble) (candorv1.Combiner, error) {
	combiner := e.GetCombiner()
	if text != "" {
		combiner = candorv1.Combiner(candorv1.Combiner_value["COMBINER_"+strings.ToUpper(text)])
	}
	switch combiner {
	case candorv1.Combiner_COMBINER_WEIGHTED_MEAN, candorv1.Combiner_COMBINER_LOG_POOL, candorv1.Combiner_COMBINER_WEIGHTED_VOTE, candorv1.Combiner_COMBINER_STACKING:
		return combiner, nil
	}
	return 0, cli.Usage("write --combiner weighted_mean, log_pool, weighted_vote or stacking", "%s has nothing to fit", strings.ToLower(cli.Enum(combiner)))
}

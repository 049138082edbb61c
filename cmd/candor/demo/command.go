// Package demo is the command candor demo: Candor's main job on real input, in one process and half a minute.
//
//   - datadir.go is its folder, folder.go whose that may be.
//   - servers.go starts three real model servers of examples/digits; run.go the gateway before them, as candor serve would.
//   - play.go is the consumer: an ordinary client of the Open Inference Protocol.
//   - reviewers.go is who judges, in the place of people; certified.go what comes of their verdicts.
//   - scenes.go is what happens to them; watch.go what the gateway says about it; stats.go what the consumer counted.
//   - view.go shows it, summary.go sums it up, next.go says what to try.
package demo

import (
	"context"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
)

const (
	defaultLength = 30 * time.Second
	// minLength is what the scenes need: a breaker has to see enough failures, and then to wait before it probes.
	minLength = 10 * time.Second
	// defaultSeed of the order of the images; any other shows other images first.
	defaultSeed = 1
)

// Command is candor demo.
func Command() *cobra.Command { return command(usual) }

func command(p patience) *cobra.Command {
	o := options{patience: p}
	c := &cobra.Command{
		Use:   "demo",
		Short: "Play handwritten digits through a gateway, and break things",
		Long: `Play handwritten digits through a gateway, and break things.

The demo makes a data directory, starts three model servers and a gateway on loopback sockets, and plays 800 held-out
images of the UCI handwritten digits (CC BY 4.0) through it, as an ordinary client of the Open Inference Protocol:

  1  the policy promises a bound on the errors of what is accepted, and starts without evidence: nothing of the primary's is
     accepted until verdicts on a random share of the rows have earned a certificate; then normal traffic, in batches too
  2  the primary's model server is killed, and comes back
  3  a member of the fallback ensemble is killed, and comes back
  4  a surge of nines trips an action limit, which stays latched

Digits that nobody is sure of are deferred to a review queue throughout. VERDICTS ARE SIMULATED: four programs claim and
resolve review items by the calls and with the role of people, say what the data set says, and never err. They go home before
scene 4; what is deferred then waits for you, on the page whose address the demo prints first.

Afterwards the demo lists commands to try, and the gateway goes on serving until it is interrupted, or until its terminal is
closed. There is no login, neither for the consumer nor on the pages: the gateway listens on loopback only.

Summary (--headless: as JSON on standard output; every figure is counted from what happened):

  rows                    rows asked about; images come again when all have been played
  routes                  rows by the route that the reply told
  accuracy.accepted       share of right labels among the rows that were released without a human: ACCEPT and FALLBACK
  accuracy.all            the same of the machine's best answer to every row, withheld or not; no answer counts as wrong
  accuracy.primary_alone  the same of what the primary says to the same rows when it is asked directly, without a gateway
                          (asked before the scenes, so its outage isn't held against it)
  promise.alpha, delta    no row is accepted under a threshold at which more than alpha is wrong, with probability 1 - delta
  promise.certified_at_row
                          rows answered when the certificate was earned; 0: by an earlier demo in this folder
  promise.verdicts        verdicts that the certificate rests on at the end; an image enters it once
  promise.threshold       confidence from which on rows are accepted at the end; certificate: whose evidence that is
  promise.accepted        rows with route ACCEPT; accepted_errors: those answered wrongly, by the data set
  promise.measured_error  accepted_errors / accepted, to be compared with alpha
  review.deferred         rows routed to a human; verdicts: simulated ones; in_queue: items that wait at the end
  breaker                 how often breakers of backends opened and closed again, by ListBackends
  limit.tripped           action limits that tripped during the demo; latched: the one of scene 4 still is at the end
  seconds                 length of the scenes

The demo fails, with exit status 1, when something that it promises does not happen: an answer within the deadline to every
call, a certificate, nothing accepted before it, a breaker that opens and closes, a limit that trips and holds, deferred digits
in the queue, and released answers that are right at least as often as the primary alone. An error of accepted rows above alpha
fails it only beyond what chance explains (a probability of 0.001): the promise is about the risk, not about some hundred rows.`,
		Example: `  candor demo
  candor demo --for 30s --headless
  candor demo --data-dir ./demo      # keep the data, and go on with it next time`,
		Args: cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.length < minLength {
				return cli.Usage("write --for 10s or more", "--for %v is too short for the scenes", o.length)
			}
			o.stdout, o.stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
			o.table = cli.IsTerminal(o.stderr)
			ctx, stop := untilTold(cmd.Context())
			defer stop()
			return run(ctx, o)
		},
	}
	f := c.Flags()
	f.DurationVar(&o.length, "for", defaultLength, "length of the scenes, at least 10s; they last longer when the certificate takes longer")
	f.BoolVar(&o.headless, "headless", false, "no table; a JSON summary on standard output, and exit after the scenes")
	f.StringVar(&o.dataDir, "data-dir", "", "folder for configuration, store and tokens; one that an earlier demo left is continued (default: a temporary one)")
	f.StringVar(&o.grpc, "grpc", "", "loopback host:port of the gateway (default: the configuration's; headless: any free one)")
	f.StringVar(&o.http, "http", "", "loopback host:port of its metrics (default: the same)")
	f.StringVar(&o.web, "web", "", "loopback host:port of the pages for people (default: the configuration's, or "+defaultWeb+"; headless: any free one)")
	f.Uint64Var(&o.seed, "seed", defaultSeed, "order of the images")
	return c
}

// untilTold answers a context that ends when somebody ends the demo: by an interrupt, by SIGTERM, or by closing its terminal. A closed
// pipe doesn't kill the process any more, but fails the write: a demo that is killed would leave its folder behind.
func untilTold(ctx context.Context) (context.Context, context.CancelFunc) {
	signal.Ignore(syscall.SIGPIPE)
	stopped, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	unwatch := context.AfterFunc(stopped, stop) // a second signal kills the process, as it would without us
	end := func() { unwatch(); stop() }
	if signal.Ignored(syscall.SIGHUP) {
		return stopped, end // by nohup: it is to outlive its terminal
	}
	// A terminal that is closed may tell so more than once, so that a second SIGHUP kills nothing.
	hung, unhang := signal.NotifyContext(stopped, syscall.SIGHUP)
	return hung, func() { unhang(); end() }
}

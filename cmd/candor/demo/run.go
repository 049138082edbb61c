package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/examples/digits"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
)

// options of a demo.
type options struct {
	length   time.Duration
	headless bool
	dataDir  string
	// grpc, http and web, when not empty, are where the gateway shall listen.
	grpc, http, web string
	seed            uint64
	patience        patience
	// stdout gets the summary, stderr the progress: as a table, when it is a terminal.
	stdout, stderr io.Writer
	table          bool
}

// errGone is why a demo ends whose output can't be written: nobody looks on.
var errGone = errors.New("the demo's output can't be written")

// run plays the demo from the first socket to the last. Everything that it opens is closed when it returns.
func run(ctx context.Context, o options) error {
	var c cleanups
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	err := demo(ctx, o, &c, func(lost error) { cancel(fmt.Errorf("%w: %w", errGone, lost)) })
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errGone):
		err = cli.Fail("give it a reader that stays until it ends", "%w", cause)
	case errors.Is(err, syscall.EPIPE):
		err = cli.Fail("give it a reader that stays until it ends", "%w: %w", errGone, err)
	case err != nil && cause != nil:
		// Whatever failed then, failed because of that.
		err = nil
		if o.headless {
			err = cli.Fail("let it run to its end for a summary", "the demo was interrupted")
		}
	}
	return errors.Join(err, c.run())
}

// cleanups are run last in, first out.
type cleanups []func() error

func (c *cleanups) add(f func() error) { *c = append(*c, f) }

func (c *cleanups) run() error {
	var errs []error
	for _, f := range slices.Backward(*c) {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// demo plays it; lost is told when its progress can't be written.
func demo(ctx context.Context, o options, c *cleanups, lost func(error)) error {
	v := newView(o.stderr, o.table && !o.headless)
	v.lost = lost
	images, err := heldOut()
	if err != nil {
		return err
	}
	dir, err := openDataDir(o.dataDir)
	if err != nil {
		return err
	}
	c.add(dir.close)
	parts, err := castOf(dir.found)
	if err != nil {
		return err
	}
	if err := dir.refuseForeign(ctx); err != nil {
		return err
	}
	servers, err := startServers(ctx, dir.found.GetBackends())
	if err != nil {
		return err
	}
	c.add(servers.stop)
	if err := prepare(ctx, dir, servers, o, v); err != nil {
		return err
	}
	gw, err := startGateway(ctx, dir)
	if err != nil {
		return err
	}
	c.add(gw.stop)
	ctx = gw.alive
	// Now the ports are known: the file says where it serves.
	if err := dir.configure(configName, servers, addresses{gw.addrs.GRPC, gw.addrs.HTTP, strings.TrimPrefix(gw.pages, "http://")}); err != nil {
		return err
	}
	welcome(v, parts, gw, dir)

	conn, err := dial(gw.addrs.GRPC)
	if err != nil {
		return err
	}
	c.add(conn.Close)
	s, err := setStage(ctx, o, conn, servers, parts, images, dir, v)
	if err != nil {
		return err
	}
	sum, f, cert, err := perform(ctx, s)
	if err != nil {
		return err
	}
	if len(s.broken) > 0 && dir.temporary {
		dir.temporary = false
		v.say("The data directory %s is kept for you to look at.", dir.path)
	}
	if o.headless {
		return errors.Join(sum.writeJSON(o.stdout), s.verdict())
	}
	if err := errors.Join(sum.writeText(o.stdout), s.verdict()); err != nil {
		return err
	}
	if err := errors.Join(writeRequest(dir, s.player.tally), writeNext(o.stdout, dir, gw.addrs, gw.pages, s, f, cert)); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// verdict is nil when every promise was kept.
func (s *stage) verdict() error {
	if len(s.broken) == 0 {
		return nil
	}
	return s.broken
}

// heldOut are the images that no model has learned from.
func heldOut() (digits.Set, error) {
	set, err := digits.Load()
	if err != nil {
		return nil, err
	}
	return set.Split(digits.Seed).HeldOut, nil
}

// prepare writes the configuration that the gateway starts from, and makes the store.
func prepare(ctx context.Context, dir *dataDir, servers modelServers, o options, v *view) error {
	// First what may be refused, then what writes.
	at, err := dir.listen(o, v)
	if err != nil {
		return err
	}
	if err := dir.addTokens(); err != nil {
		return err
	}
	if err := dir.configure(startName, servers, at); err != nil {
		return err
	}
	return dir.initStore(ctx)
}

// welcome says, before anything else, who may call.
func welcome(v *view, c cast, gw *running, dir *dataDir) {
	v.say("Open %s: the review queue, to look at and to work on.", gw.pages)
	v.say("NO LOGIN: whoever reaches a socket of this machine is the consumer %q here, and %q on the pages. It listens on loopback only; a"+
		" real gateway's consumers have certificates or tokens, and its people log in.", c.consumer, visitor)
	v.say("SIMULATED VERDICTS: the reviewers %s to %s are programs that look the right label up in the data set. They never err; people do.",
		simulated[0], simulated[len(simulated)-1])
	v.say("The gateway serves gRPC on %s with %s.", gw.addrs.GRPC, dir.in(configName))
}

func dial(addr string) (*grpc.ClientConn, error) {
	return grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy())
}

// setStage connects the player and the watch, and asks the primary alone about every image, past the gateway.
func setStage(
	ctx context.Context, o options, conn *grpc.ClientConn, servers modelServers, c cast, images digits.Set, dir *dataDir, v *view,
) (*stage, error) {
	primary := servers[c.primary]
	direct, err := dial(primary.addr)
	if err != nil {
		return nil, err
	}
	alone, err := askAlone(ctx, inference.NewGRPCInferenceServiceClient(direct), primary.model.Name, images)
	if err := errors.Join(err, direct.Close()); err != nil {
		return nil, err
	}
	var every, hot []int
	for i, img := range images {
		every = append(every, i)
		if slices.Contains(c.surge, strconv.Itoa(img.Label)) {
			hot = append(hot, i)
		}
	}
	if len(hot) == 0 {
		return nil, fmt.Errorf("models.%s.policy.actions: no image has one of the labels %q of the action %s", modelName, c.surge, c.action)
	}
	s := &stage{
		cast: c, servers: servers, view: v, length: o.length, patience: o.patience, watch: newWatch(conn, dir.tokens[operator], o.patience.look),
		reviewers: newReviewers(conn, c.queue, images, dir.tokens, o.patience.review), goHome: make(chan struct{}),
		player: &player{
			infer: inference.NewGRPCInferenceServiceClient(conn), predictions: candorv1.NewPredictionServiceClient(conn),
			images: images, tally: newTally(images, alone), calm: newDeck(every, o.seed), hot: newDeck(hot, o.seed), deadline: o.patience.call,
		},
	}
	first, err := s.watch.look(ctx)
	s.latchedBefore = first.limit(c.limit).GetTripped()
	return s, err
}

// perform plays the scenes while the player plays and everybody watches, and sums up when the last call has ended.
func perform(ctx context.Context, s *stage) (summary, figures, certified, error) {
	s.began = time.Now()
	stop := make(chan struct{})
	watching, stopWatching := context.WithCancel(ctx)
	var playing, reviewing, showing sync.WaitGroup
	playing.Go(func() { s.player.play(ctx, stop) })
	reviewing.Go(func() { s.reviewers.work(ctx, s.goHome) })
	showing.Go(func() { s.watch.run(watching) })
	showing.Go(func() {
		s.view.run(watching, s.began, s.length, func() (figures, state, certified) {
			st, _ := s.watch.state()
			return s.player.tally.figures(), st, certifiedOf(s.cast.promise, st, s.player.tally, s.began)
		})
	})
	err := s.play(ctx)
	close(stop)
	s.sendHome()
	playing.Wait()
	reviewing.Wait()
	s.ended = time.Now()
	var last state
	if err == nil {
		last, err = s.watch.look(ctx)
	}
	stopWatching()
	showing.Wait()
	if err != nil {
		return summary{}, figures{}, certified{}, err
	}
	f := s.player.tally.figures()
	c := certifiedOf(s.cast.promise, last, s.player.tally, s.began)
	sum := summarize(f, last, c, s.reviewers.verdicts.Load(), s.cast.limit, s.began, s.ended.Sub(s.began))
	s.checkSummary(f, sum)
	s.checkPromise(c)
	return sum, f, c, nil
}

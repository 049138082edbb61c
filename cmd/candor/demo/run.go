package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/candor-gateway/candor/cmd/candor/internal/server"
	"github.com/candor-gateway/candor/examples/digits"
	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
)

// options of a demo.
type options struct {
	length   time.Duration
	headless bool
	dataDir  string
	// grpc and http, when not empty, are where the gateway shall listen.
	grpc, http string
	seed       uint64
	// stdout gets the summary, stderr the progress: as a table, when it is a terminal.
	stdout, stderr io.Writer
	table          bool
}

// run plays the demo from the first socket to the last. Everything that it opens is closed when it returns.
func run(ctx context.Context, o options) (err error) {
	v := newView(o.stderr, o.table && !o.headless)
	images, err := heldOut()
	if err != nil {
		return err
	}
	dir, err := openDataDir(o.dataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.close()) }()
	asked, err := dir.parse()
	if err != nil {
		return err
	}
	servers, err := startServers(ctx, asked.GetBackends())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, servers.stop()) }()

	cfg, err := prepare(ctx, dir, servers, o, v)
	if err != nil {
		return err
	}
	parts, err := castOf(cfg)
	if err != nil {
		return err
	}
	gw, err := startGateway(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, gw.stop()) }()
	ctx = gw.alive
	// Now the ports are known: the file says where it serves.
	if _, err := dir.configure(servers, gw.addrs.GRPC, gw.addrs.HTTP); err != nil {
		return err
	}
	welcome(v, cfg, gw.addrs, dir)

	conn, err := dial(gw.addrs.GRPC)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	s, err := setStage(ctx, o, conn, servers, parts, images, dir, v)
	if err != nil {
		return err
	}
	sum, f, err := perform(ctx, s)
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
	if err := errors.Join(writeRequest(dir, s.player.tally), writeNext(o.stdout, dir, gw.addrs, parts, f)); err != nil {
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

// prepare writes the configuration and makes the store.
func prepare(ctx context.Context, dir *dataDir, servers modelServers, o options, v *view) (*candorv1.Config, error) {
	if err := dir.addTokens(); err != nil {
		return nil, err
	}
	grpc, http, err := dir.listen(o, v)
	if err != nil {
		return nil, err
	}
	cfg, err := dir.configure(servers, grpc, http)
	if err != nil {
		return nil, err
	}
	return cfg, dir.initStore(ctx)
}

// welcome says, before anything else, who may call.
func welcome(v *view, cfg *candorv1.Config, a gateway.Addrs, dir *dataDir) {
	for name, c := range cfg.GetConsumers() {
		if c.GetIdentity().GetAnonymous() {
			v.say("NO LOGIN: whoever reaches a socket of this machine is the consumer %q here. It listens on loopback only; a real"+
				" gateway's consumers have certificates or tokens.", name)
		}
	}
	v.say("The gateway serves gRPC on %s with %s.", a.GRPC, dir.in(configName))
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
		cast: c, servers: servers, view: v, length: o.length, alone: o.headless, watch: newWatch(conn, dir.tokens[operator]),
		player: &player{
			infer: inference.NewGRPCInferenceServiceClient(conn), predictions: candorv1.NewPredictionServiceClient(conn),
			images: images, tally: newTally(images, alone), calm: newDeck(every, o.seed), hot: newDeck(hot, o.seed),
		},
	}
	first, err := s.watch.look(ctx)
	s.latchedBefore = first.limit(c.limit).GetTripped()
	return s, err
}

// perform plays the scenes while the player plays and everybody watches, and sums up when the last call has ended.
func perform(ctx context.Context, s *stage) (summary, figures, error) {
	s.began = time.Now()
	stop := make(chan struct{})
	watching, stopWatching := context.WithCancel(ctx)
	var playing, showing sync.WaitGroup
	playing.Go(func() { s.player.play(ctx, stop) })
	showing.Go(func() { s.watch.run(watching) })
	showing.Go(func() {
		s.view.run(watching, s.began, s.length, func() (figures, state) {
			st, _ := s.watch.state()
			return s.player.tally.figures(), st
		})
	})
	err := s.play(ctx)
	close(stop)
	playing.Wait()
	took := time.Since(s.began)
	last, lookErr := s.watch.look(ctx)
	stopWatching()
	showing.Wait()
	if err := errors.Join(err, lookErr); err != nil {
		return summary{}, figures{}, err
	}
	f := s.player.tally.figures()
	sum := summarize(f, last, s.cast.limit, s.began, took)
	s.checkSummary(f, sum)
	return sum, f, nil
}

// running is a gateway that serves the data directory's configuration in this process.
type running struct {
	addrs gateway.Addrs
	// alive ends when the demo is interrupted, or when the gateway ends by itself; its cause says why.
	alive  context.Context
	cancel context.CancelCauseFunc
	done   chan struct{}
	err    error
	log    *os.File
}

// startGateway starts what candor serve --config starts, and waits until it listens.
func startGateway(ctx context.Context, dir *dataDir) (*running, error) {
	log, err := os.OpenFile(dir.in(logName), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	g := &running{done: make(chan struct{}), log: log}
	g.alive, g.cancel = context.WithCancelCause(ctx)
	ready := make(chan gateway.Addrs, 1)
	go func() {
		defer close(g.done)
		g.err = server.Run(g.alive, server.Options{
			Config: dir.in(configName), Log: slog.New(slog.NewTextHandler(log, nil)), Stdout: io.Discard, Version: "demo",
			Ready: func(a gateway.Addrs) { ready <- a },
		})
		g.cancel(fmt.Errorf("the gateway ended: %w", g.err))
	}()
	select {
	case g.addrs = <-ready:
		return g, nil
	case <-g.done:
		return nil, errors.Join(g.err, log.Close())
	}
}

// stop drains the gateway and waits for its end.
func (g *running) stop() error {
	g.cancel(nil)
	<-g.done
	return errors.Join(g.err, g.log.Close())
}

package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/examples/digits"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
)

// How the images are played: one in a call, because a call is one unit of evidence. Slow enough to be watched, and for the nines
// among them (one in ten) to stay well below the limit of candor.yaml; the surge is above it within seconds.
const (
	calmRows  = 80  // a second
	surgeRows = 240 // a second
	// callers in flight at most.
	callers = 4
	// callDeadline is what an impatient consumer would set. An answer that comes later is a broken promise.
	callDeadline = 3 * time.Second
)

// player plays images through the gateway as any client of the protocol would. It has no credentials.
type player struct {
	infer       inference.GRPCInferenceServiceClient
	predictions candorv1.PredictionServiceClient
	images      digits.Set
	tally       *tally
	// calm deals every image, hot those of the surge.
	calm, hot *deck
	surging   atomic.Bool
}

// play calls until stop is closed or ctx ends, and returns when every call has ended. What has been asked before stop is
// waited for.
func (p *player) play(ctx context.Context, stop <-chan struct{}) {
	calls := make(chan int)
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for image := range calls {
				p.call(ctx, image)
			}
		})
	}
	defer wg.Wait()
	defer close(calls)
	timer := time.NewTimer(0)
	defer timer.Stop()
	due := time.Now()
	for {
		select {
		case <-timer.C:
		case <-stop:
			return
		case <-ctx.Done():
			return
		}
		image, took := p.deal()
		select {
		case calls <- image:
		case <-stop:
			return
		case <-ctx.Done():
			return
		}
		due = due.Add(took)
		if late := time.Since(due); late > time.Second {
			// Time lost isn't made up for: a burst would be another scene.
			due = due.Add(late)
		}
		timer.Reset(time.Until(due))
	}
}

// deal answers the next image, and what share of a second it stands for.
func (p *player) deal() (int, time.Duration) {
	if p.surging.Load() {
		return p.hot.deal(), time.Second / surgeRows
	}
	return p.calm.deal(), time.Second / calmRows
}

func (p *player) call(ctx context.Context, image int) {
	bounded, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	a, err := p.ask(bounded, image)
	if err == nil && !a.released {
		err = p.settle(ctx, &a)
	}
	switch {
	case ctx.Err() != nil:
		// The demo has been interrupted; that is nobody's failure.
	case err != nil:
		p.tally.fail(err)
	default:
		p.tally.add(a)
	}
}

// ask asks about one image as a client does that has never heard of Candor: it names no outputs, and a row that isn't answered is
// an error, whose details it reads.
func (p *player) ask(ctx context.Context, image int) (answer, error) {
	a := answer{image: image}
	resp, err := p.infer.ModelInfer(ctx, request(modelName, p.images, []int{image}))
	if err != nil {
		if a.predictionID = withheldID(err); a.predictionID == "" {
			return answer{}, err
		}
		return a, nil
	}
	labels, err := texts(resp, "label", 1)
	if err != nil {
		return answer{}, err
	}
	if a.route, err = routeOf(parameter(resp, "candor_route")); err != nil {
		return answer{}, err
	}
	a.predictionID = parameter(resp, "candor_prediction_id")
	a.released, a.label, a.best = parameter(resp, "candor_answered_by") != "", labels[0], labels[0]
	a.reasons = strings.Split(parameter(resp, "candor_reasons"), ",")
	return a, nil
}

// settle asks GetPrediction about a row that was not answered: where it went, why, and what the machine would have said.
func (p *player) settle(ctx context.Context, a *answer) error {
	ctx, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	resp, err := p.predictions.GetPrediction(ctx, &candorv1.GetPredictionRequest{PredictionId: a.predictionID})
	if err != nil {
		return fmt.Errorf("GetPrediction %s: %w", a.predictionID, err)
	}
	if n := len(resp.GetPredictions()); n != 1 {
		return fmt.Errorf("GetPrediction %s: %d rows, want 1", a.predictionID, n)
	}
	row := resp.GetPredictions()[0]
	a.route, a.limit, a.label = row.GetDecision().GetRoute(), row.GetDecision().GetLimit(), ""
	a.best = bestOf(row.GetPath())
	for _, r := range row.GetDecision().GetReasons() {
		a.reasons = append(a.reasons, cli.Enum(r))
	}
	return nil
}

// bestOf is the answer that would have left if nothing had been withheld: the last stage's that had one. A single member of
// an ensemble speaks for nobody.
func bestOf(path []*candorv1.Step) string {
	best := ""
	for _, s := range path {
		if s.GetLabel() != "" && s.GetKind() != candorv1.StepKind_STEP_KIND_MEMBER && s.GetKind() != candorv1.StepKind_STEP_KIND_HUMAN {
			best = s.GetLabel()
		}
	}
	return best
}

// deck deals cards for ever: each once, in an order that the seed decides, then each again in another.
type deck struct {
	cards []int
	next  int
	rng   *rand.Rand
}

func newDeck(cards []int, seed uint64) *deck {
	return &deck{cards: cards, next: len(cards), rng: rand.New(rand.NewPCG(seed, uint64(len(cards))))}
}

func (d *deck) deal() int {
	if d.next == len(d.cards) {
		d.rng.Shuffle(len(d.cards), func(i, j int) { d.cards[i], d.cards[j] = d.cards[j], d.cards[i] })
		d.next = 0
	}
	d.next++
	return d.cards[d.next-1]
}

package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/examples/digits"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
)

// How the images are played: one in a call while the certificate is being earned, because larger calls are none that the promise is
// about, and then in batches too. Slow enough to be watched, and for the nines
// among them (one in ten) to stay well below the limit of candor.yaml; the surge is above it within seconds.
const (
	calmRows  = 80  // a second
	surgeRows = 240 // a second
	batchRows = 8
	// One call of so many is a batch, when there are any; the others have one row.
	calmBatchEvery  = 9
	surgeBatchEvery = 3
	// callers in flight at most.
	callers = 4
)

// player plays images through the gateway as any client of the protocol would. It has no credentials.
type player struct {
	infer       inference.GRPCInferenceServiceClient
	predictions candorv1.PredictionServiceClient
	images      digits.Set
	tally       *tally
	// calm deals every image, hot those of the surge.
	calm, hot *deck
	// deadline of a call.
	deadline time.Duration
	// batching: some calls are batches. surging: the images are those of the surge.
	batching, surging atomic.Bool
}

// play calls until stop is closed or ctx ends, and returns when every call has ended. What has been asked before stop is
// waited for.
func (p *player) play(ctx context.Context, stop <-chan struct{}) {
	calls := make(chan []int)
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for images := range calls {
				p.call(ctx, images)
			}
		})
	}
	defer wg.Wait()
	defer close(calls)
	timer := time.NewTimer(0)
	defer timer.Stop()
	due := time.Now()
	for n := 1; ; n++ {
		select {
		case <-timer.C:
		case <-stop:
			return
		case <-ctx.Done():
			return
		}
		images, took := p.deal(n)
		select {
		case calls <- images:
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

// deal answers the images of the n-th call, and what share of a second they stand for.
func (p *player) deal(n int) ([]int, time.Duration) {
	from, every, rate := p.calm, calmBatchEvery, calmRows
	if p.surging.Load() {
		from, every, rate = p.hot, surgeBatchEvery, surgeRows
	}
	rows := 1
	if p.batching.Load() && n%every == 0 {
		rows = batchRows
	}
	return from.deal(rows), time.Second * time.Duration(rows) / time.Duration(rate)
}

func (p *player) call(ctx context.Context, images []int) {
	bounded, cancel := context.WithTimeout(ctx, p.deadline)
	defer cancel()
	var answers []answer
	var err error
	if len(images) == 1 {
		answers, err = p.askOne(bounded, images[0])
	} else {
		answers, err = p.askBatch(bounded, images)
	}
	if err == nil {
		err = p.settle(ctx, answers)
	}
	switch {
	case ctx.Err() != nil:
		// The demo has been interrupted; that is nobody's failure.
	case err != nil:
		p.tally.fail(err)
	default:
		p.tally.add(answers)
	}
}

// askOne asks about one image as a client does that has never heard of Candor: it names no outputs, and a row that isn't
// answered is an error, whose details it reads.
func (p *player) askOne(ctx context.Context, image int) ([]answer, error) {
	a := answer{image: image, rows: 1}
	resp, err := p.infer.ModelInfer(ctx, request(modelName, p.images, []int{image}))
	if err != nil {
		if a.predictionID = withheldID(err); a.predictionID == "" {
			return nil, err
		}
		return []answer{a}, nil
	}
	labels, err := texts(resp, "label", 1)
	if err != nil {
		return nil, err
	}
	if a.route, err = routeOf(parameter(resp, "candor_route")); err != nil {
		return nil, err
	}
	a.predictionID = parameter(resp, "candor_prediction_id")
	a.released, a.label, a.best = parameter(resp, "candor_answered_by") != "", labels[0], labels[0]
	a.reasons = strings.Split(parameter(resp, "candor_reasons"), ",")
	return []answer{a}, nil
}

// askBatch asks about several, and names candor_route among the outputs: so every row that has an answer gets it.
func (p *player) askBatch(ctx context.Context, images []int) ([]answer, error) {
	resp, err := p.infer.ModelInfer(ctx, request(modelName, p.images, images, "label", "candor_route", "candor_answered_by"))
	if err != nil {
		return nil, err
	}
	n := len(images)
	labels, err1 := texts(resp, "label", n)
	routes, err2 := texts(resp, "candor_route", n)
	by, err3 := texts(resp, "candor_answered_by", n)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	answers := make([]answer, n)
	for i := range answers {
		a := answer{predictionID: parameter(resp, "candor_prediction_id"), rows: n, image: images[i]}
		if a.route, err = routeOf(routes[i]); err != nil {
			return nil, err
		}
		a.released, a.label, a.best = by[i] != "", labels[i], labels[i]
		answers[i] = a
	}
	return answers, nil
}

// settle asks GetPrediction about the rows that were not answered: where they went, why, and what the machine would have
// said.
func (p *player) settle(ctx context.Context, answers []answer) error {
	if !slices.ContainsFunc(answers, func(a answer) bool { return !a.released }) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.deadline)
	defer cancel()
	id := answers[0].predictionID
	resp, err := p.predictions.GetPrediction(ctx, &candorv1.GetPredictionRequest{PredictionId: id})
	if err != nil {
		return fmt.Errorf("GetPrediction %s: %w", id, err)
	}
	rows := resp.GetPredictions()
	if len(rows) != len(answers) {
		return fmt.Errorf("GetPrediction %s: %d rows, want %d", id, len(rows), len(answers))
	}
	for i := range answers {
		a := &answers[i]
		if a.released {
			continue
		}
		d := rows[i].GetDecision()
		a.route, a.limit, a.label = d.GetRoute(), d.GetLimit(), ""
		a.best = bestOf(rows[i].GetPath())
		for _, r := range d.GetReasons() {
			a.reasons = append(a.reasons, cli.Enum(r))
		}
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

func (d *deck) deal(n int) []int {
	hand := make([]int, 0, n)
	for range n {
		if d.next == len(d.cards) {
			d.rng.Shuffle(len(d.cards), func(i, j int) { d.cards[i], d.cards[j] = d.cards[j], d.cards[i] })
			d.next = 0
		}
		hand = append(hand, d.cards[d.next])
		d.next++
	}
	return hand
}

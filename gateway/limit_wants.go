package gateway

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strconv"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/review"
)

// notAsked is what is wrong with an input that the item doesn't have at all.
const notAsked = "the limit didn't ask for it yet when the request came"

// wantsOf are the amounts and keys without which the limits can't count an answer that they hold, in order of the limits' names; nil: they hold
// none, or have all. Nobody but an operator can say them: the request is over.
func (g *Gateway) wantsOf(item *review.Item) []*candorv1.LimitWant {
	if !item.Held() {
		return nil
	}
	var out []*candorv1.LimitWant
	defs := g.plan().cfg.GetLimits()
	for _, name := range slices.Sorted(maps.Keys(defs)) {
		l := defs[name]
		if l.GetAction() != item.Action || l.GetDryRun() || l.GetModel() != "" && l.GetModel() != item.Model || l.GetConsumer() != "" && l.GetConsumer() != item.Consumer {
			continue
		}
		d := LimitDefinition(name, l)
		for _, source := range []limits.Source{d.Amount, d.Key} {
			if source == "" || slices.ContainsFunc(out, func(w *candorv1.LimitWant) bool { return w.GetSource() == string(source) }) {
				continue
			}
			problem := notAsked
			if i := indexOfInput(item.LimitInputs, source); i >= 0 {
				problem = item.LimitInputs[i].GetFault()
			}
			if problem == "" {
				continue
			}
			w := &candorv1.LimitWant{Limit: limits.ResourceName(name), Source: string(source), Key: source == d.Key, Problem: problem}
			if !w.GetKey() {
				w.Unit = d.Unit
			}
			out = append(out, w)
		}
	}
	return out
}

func indexOfInput(inputs []*candorv1.LimitInput, source limits.Source) int {
	return slices.IndexFunc(inputs, func(in *candorv1.LimitInput) bool { return in.GetSource() == string(source) })
}

// StateLimitInputs is an operator's word on what a held answer comes to. The answer is then asked for as after a reset.
func (s *limitService) StateLimitInputs(ctx context.Context, in *candorv1.StateLimitInputsRequest) (*candorv1.StateLimitInputsResponse, error) {
	p, err := s.ordered(ctx, in, in.GetReason(), in.GetRequestId())
	if err != nil {
		return nil, err
	}
	reviews := &reviewService{g: s.g}
	item, err := reviews.item(ctx, p, in.GetReviewItem())
	if err != nil {
		return nil, err
	}
	inputs, err := s.g.statedInputs(in.GetInputs(), &item)
	if err != nil {
		return nil, err
	}
	done, err := s.g.reviews.Change(ctx, item.ID, review.StateInputs{
		By: p.Name, Now: s.g.ledger.Now(), Inputs: inputs, Reason: in.GetReason(), RequestID: in.GetRequestId(),
	})
	switch {
	case errors.Is(err, review.ErrNotHeld):
		return nil, invalid("review_item", "no limit holds an answer of it; there is nothing to state")
	case errors.Is(err, review.ErrInputKnown):
		return nil, invalid("inputs", "the request had one of them, and that counts; state only what limit_wants lists")
	case err != nil:
		return nil, reviews.refused(ctx, err, in.GetReviewItem())
	}
	if !done.Repeated {
		s.g.log.InfoContext(ctx, "what a limit wants of a held answer was stated", slog.String("review_item", item.ID), slog.String("by", p.Name), slog.String("reason", in.GetReason()))
	}
	if done.Held() {
		s.g.letOutOne(ctx, s.g.ledger.Now(), &done)
		if done, err = s.g.reviews.Get(ctx, item.ID); err != nil {
			return nil, reviews.refused(ctx, err, in.GetReviewItem())
		}
	}
	return &candorv1.StateLimitInputsResponse{Item: s.g.shown(p, &done)}, nil
}

// statedInputs are inputs as items keep them. What the item neither wants nor was told by a person before is refused, with what can be said.
func (g *Gateway) statedInputs(given []*candorv1.LimitInput, item *review.Item) ([]*candorv1.LimitInput, error) {
	wants := g.wantsOf(item)
	var out []*candorv1.LimitInput
	for i, in := range given {
		field := "inputs[" + strconv.Itoa(i) + "]"
		source, ok := parseSource(limits.Source(in.GetSource()))
		known := slices.ContainsFunc(wants, func(w *candorv1.LimitWant) bool { return w.GetSource() == in.GetSource() })
		if at := indexOfInput(item.LimitInputs, limits.Source(in.GetSource())); at >= 0 {
			known = known || item.LimitInputs[at].GetStatedBy() != ""
		}
		switch {
		case !ok || !known:
			return nil, invalid(field+".source", "the limits don't want "+strconv.Quote(in.GetSource())+" for this item; "+wantWords(wants))
		case source.key && (len(in.GetKey()) == 0 || in.GetAmount() != 0):
			return nil, invalid(field+".key", "it is a key; send key, and no amount")
		case !source.key && len(in.GetKey()) > 0:
			return nil, invalid(field+".amount", "it is an amount; send amount, and no key")
		case in.GetAmount() < 0 || in.GetAmount() > maxUnits:
			return nil, invalid(field+".amount", "send 0 to "+strconv.FormatInt(maxUnits, 10)+" whole units")
		}
		stated := &candorv1.LimitInput{Source: in.GetSource(), Amount: in.GetAmount()}
		if source.key {
			stated.Key = []byte(cutKey(string(in.GetKey())))
		} else {
			stated.Unit = g.plan().limitUnits[limits.Source(in.GetSource())]
		}
		out = append(out, stated)
	}
	return out, nil
}

// wantWords say what can be stated.
func wantWords(wants []*candorv1.LimitWant) string {
	if len(wants) == 0 {
		return "they want nothing"
	}
	var sources []string
	for _, w := range wants {
		sources = append(sources, w.GetSource())
	}
	return "they want " + list(sources)
}

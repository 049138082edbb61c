package sqlite

import (
	"context"
	"fmt"

	"github.com/candor-gateway/candor/review"
)

// Change applies an act to an item; see review.Store. If the act panics nothing is stored and the panic is the error.
func (s *Store) Change(ctx context.Context, id string, a review.Act) (review.Item, error) {
	const doing = "sqlite: change a review item"
	if a == nil {
		return review.Item{}, fmt.Errorf("%s: there is no act", doing)
	}
	var item review.Item
	err := s.write(ctx, doing, func(t *tx) (err error) {
		item, err = t.change(id, a, ledByName)
		return err
	})
	return item, err
}

// change applies an act in the transaction, and does what follows. The item has its payload.
func (t *tx) change(id string, a review.Act, led int) (review.Item, error) {
	it, err := loadItem(t.query, id)
	if err != nil {
		return review.Item{}, err
	}
	actor, requestID := a.Request()
	if it.Repeated, err = t.repeated(actor, requestID, id); err != nil {
		return review.Item{}, err
	}
	if !it.Repeated {
		before := it
		e, err := apply(a, &it)
		if err != nil {
			return review.Item{}, err
		}
		if err := t.remember(actor, requestID, id, led, t.now); err != nil {
			return review.Item{}, err
		}
		if e.Unchanged {
			it = before
		} else if err := t.effect(&before, &it, e); err != nil {
			return review.Item{}, err
		}
	}
	return it, withPayload(t.query, &it)
}

// apply keeps a panic of the act from taking the writer, and with it the store, along.
func apply(a review.Act, it *review.Item) (e review.Effects, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%T panicked: %v", a, p)
		}
	}()
	return a.Apply(it)
}

// effect saves what an act has made of an item, and does what follows from it.
func (t *tx) effect(before, it *review.Item, e review.Effects) error {
	if err := t.save(before, it, e); err != nil {
		return err
	}
	switch {
	case e.Final:
		if err := t.finish(it); err != nil {
			return err
		}
	case e.Announced:
		if err := t.announce(it); err != nil {
			return err
		}
	}
	switch {
	case e.Orphaned:
		return t.succeed(it)
	case e.Final && it.Verdict != nil:
		return t.follow(it)
	}
	return nil
}

package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/candor-gateway/candor/review"
)

// Change applies an act to an item; see review.Store. Acts that nothing of is told the decision log run beside the writer, so that
// claims and heartbeats don't wait behind decisions.
func (s *Store) Change(ctx context.Context, id string, a review.Act) (review.Item, error) {
	const doing = "postgres: change a review item"
	if a == nil {
		return review.Item{}, fmt.Errorf("%s: there is no act", doing)
	}
	var item review.Item
	err := errLogged
	if !ends(a) {
		err = s.directly(ctx, doing, func(d *direct) error {
			done, err := apply(d, id, a, ledByName, d.now)
			if err != nil {
				return err
			}
			if logged(done.effects) {
				return errLogged
			}
			if err := save(d, &done); err != nil {
				return err
			}
			d.moved, item = !done.effects.Unchanged, done.Item
			return nil
		})
	}
	if errors.Is(err, errLogged) {
		err = s.finishing(ctx, doing, id, a, &item)
	}
	if err != nil {
		return review.Item{}, err
	}
	return item, nil
}

// errLogged: the act is for the writer.
var errLogged = errors.New("postgres: the act is told the decision log")

// ends says that an act, or the one that it wraps, is for the writer before it is tried.
func ends(a review.Act) bool {
	switch a := a.(type) {
	case interface{ Unwrap() review.Act }:
		return ends(a.Unwrap())
	case review.Finalize, review.Expire, review.Withdraw, review.LetOut, review.Supersede:
		return true
	}
	return false
}

// finishing applies an act in the writer's transaction.
func (s *Store) finishing(ctx context.Context, doing, id string, a review.Act, item *review.Item) error {
	key := idOf(id)
	if !key.Valid {
		return fmt.Errorf("%s: %w", doing, review.ErrNotFound)
	}
	return s.write(ctx, doing, needs{items: [][16]byte{key.Bytes}}, func(b *batch) error {
		done, err := apply(b, id, a, ledByName, b.now)
		if err != nil {
			return err
		}
		if err := save(b, &done); err != nil {
			return err
		}
		*item = done.Item
		if done.effects.Unchanged {
			return nil
		}
		b.moved = true
		return b.follow(&done)
	})
}

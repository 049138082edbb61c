package sqlite

import (
	"context"
	"fmt"
	"math"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// givenVerdicts: ?1 since, ?2 until, ?3 queue, ?4 model, ?5 reviewer (empty: all), ?6 how many.
const givenVerdicts = `SELECT v.item_id, v.queue, v.model, v.given_us, v.undone, v.verdict, i.kind, i.body, i.golden_answer, i.golden_tolerance
	FROM review_verdicts v INDEXED BY review_verdicts_given CROSS JOIN review_items i ON i.id = v.item_id
	WHERE v.given_us >= ?1 AND v.given_us < ?2 AND (?3 = '' OR v.queue = ?3) AND (?4 = '' OR v.model = ?4) AND (?5 = '' OR v.reviewer = ?5)
	ORDER BY v.given_us, v.position LIMIT ?6`

// Given answers the verdicts of a span; see review.Store. A zero Until is the end of time.
func (s *Store) Given(ctx context.Context, f review.GivenFilter) ([]review.Given, error) {
	const doing = "sqlite: read the verdicts of a span"
	if f.Limit < 1 {
		return nil, fmt.Errorf("%s: limit is %d: give at least 1", doing, f.Limit)
	}
	until := int64(math.MaxInt64)
	if !f.Until.IsZero() {
		until = micros(f.Until)
	}
	var out []review.Given
	if err := s.reader(ctx)(givenVerdicts, []any{micros(f.Since), until, f.Queue, f.Model, f.Reviewer, f.Limit}, func(row scanner) error {
		g := review.Given{Verdict: &candorv1.Verdict{}}
		var at, kind int64
		var verdict, body, golden []byte
		if err := row.Scan(&g.ItemID, &g.Queue, &g.Model, &at, &g.Undone, &verdict, &kind, &body, &golden, &g.Tolerance); err != nil {
			return err
		}
		g.At, g.Kind = instant(at), candorv1.ReviewKind(kind)
		var it review.Item
		err := proto.Unmarshal(verdict, g.Verdict)
		if err == nil {
			err = decodeBody(&it, body)
		}
		if err == nil && golden != nil {
			g.Golden = &candorv1.VerdictAnswer{}
			err = proto.Unmarshal(golden, g.Golden)
		}
		if err != nil {
			return fmt.Errorf("decode the verdict on review item %s: %w", g.ItemID, err)
		}
		g.Field, g.Answers = it.Field, it.Answers
		out = append(out, g)
		return nil
	}); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return out, nil
}

package sqlite

import (
	"database/sql"
	"errors"
	"fmt"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// maxKinds bounds the writer's memory of kinds; a model server that made up a version for every answer would fill it.
const maxKinds = 10_000

// kindKey is everything that decisions are counted by.
type kindKey struct {
	model, consumer, action string
	route                   candorv1.Route
	version, stage          string
	// reasons has bit n set for Reason n.
	reasons int64
}

// kindCount is how many rows of a prediction are of a kind.
type kindCount struct {
	kindKey
	rows int64
}

// kindsOf sorts a prediction's rows by kind. A row's stage is the one whose answer was released; its version is that stage's
// or, where nothing was released, the primary's, for that is the one that didn't satisfy.
func kindsOf(p *candorv1.PredictionRecord) []kindCount {
	stages := p.GetStages()
	var out []kindCount
next:
	for _, row := range p.GetRows() {
		k := kindKey{
			model: p.GetModel(), consumer: p.GetConsumer(), action: row.GetAction(), route: row.GetRoute(),
			reasons: reasonMask(row.GetReasons()),
		}
		if n := int(row.GetAnsweredBy()); n > 0 && n <= len(stages) {
			k.stage, k.version = stages[n-1].GetStage(), stages[n-1].GetVersion()
		} else if len(stages) > 0 {
			k.version = stages[0].GetVersion()
		}
		for i := range out {
			if out[i].kindKey == k {
				out[i].rows++
				continue next
			}
		}
		out = append(out, kindCount{k, 1})
	}
	return out
}

// maxReason is the last that a mask has room for; a signed integer has 63 bits to give.
const maxReason = 62

func reasonMask(reasons []candorv1.Reason) int64 {
	var mask int64
	for _, r := range reasons {
		if r > 0 && r <= maxReason {
			mask |= 1 << r
		}
	}
	return mask
}

// reasonsOf is the inverse of reasonMask, in the order of the numbers.
func reasonsOf(mask int64) []candorv1.Reason {
	var out []candorv1.Reason
	for r := candorv1.Reason(1); r <= maxReason; r++ {
		if mask&(1<<r) != 0 {
			out = append(out, r)
		}
	}
	return out
}

// kind answers a kind's number, which it gives to a new one.
func (t *tx) kind(k kindKey) (int64, error) {
	if id, ok := t.w.kinds[k]; ok {
		return id, nil
	}
	args := []any{k.model, k.consumer, k.action, int64(k.route), k.version, k.stage, k.reasons}
	var id int64
	err := t.queryRow(`
		SELECT id FROM decision_kinds
		WHERE model = ? AND consumer = ? AND action = ? AND route = ? AND version = ? AND stage = ? AND reasons = ?`, args, &id)
	if errors.Is(err, sql.ErrNoRows) {
		err = t.queryRow(`
			INSERT INTO decision_kinds (model, consumer, action, route, version, stage, reasons) VALUES (?, ?, ?, ?, ?, ?, ?)
			RETURNING id`, args, &id)
		t.dirty = true
	}
	if err != nil {
		return 0, fmt.Errorf("number a kind of decision: %w", err)
	}
	if len(t.w.kinds) >= maxKinds {
		clear(t.w.kinds)
	}
	t.w.kinds[k] = id
	return id, nil
}

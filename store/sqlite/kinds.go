package sqlite

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/candor-gateway/candor/audit"
)

// maxKinds bounds the writer's memory of kinds; a model server that made up a version for every answer would fill it.
const maxKinds = 10_000

// kind answers a kind's number, which it gives to a new one.
func (t *tx) kind(k audit.Kind) (int64, error) {
	if id, ok := t.w.kinds[k]; ok {
		return id, nil
	}
	args := []any{k.Model, k.Consumer, k.Action, int64(k.Route), k.Version, k.Stage, k.Reasons}
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

package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/candor-gateway/candor/audit"
)

// maxKinds bounds the memory of kinds; a model server that made up a version for every answer would fill it.
const maxKinds = 10_000

// kindDigest is what a kind is looked for by: every text is framed by its length.
func kindDigest(k audit.Kind) []byte {
	var b []byte
	for _, text := range [...]string{k.Model, k.Consumer, k.Action, k.Version, k.Stage} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(text)))
		b = append(b, text...)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(k.Route))
	b = binary.BigEndian.AppendUint64(b, uint64(k.Reasons))
	sum := sha256.Sum256(b)
	return sum[:]
}

// decision is a row of the index.
type decision struct {
	kind       int32
	timeUS     int64
	prediction nullUUID
	rows       int64
}

// text is what a TEXT column can hold of s: everything but NUL, which a model server may well send. The log has the original.
func text(s string) string { return strings.ReplaceAll(s, "\x00", "\uFFFD") }

// kinds remembers the numbers of kinds. They are added in transactions of their own: one that nothing refers to counts nothing.
type kinds struct {
	mu      sync.Mutex
	numbers map[audit.Kind]int32
}

func newKinds() kinds { return kinds{numbers: map[audit.Kind]int32{}} }

// tidy forgets all when there are too many: between batches only, which need what they learned.
func (k *kinds) tidy() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.numbers) > maxKinds {
		clear(k.numbers)
	}
}

// learn makes sure that number knows them.
func (k *kinds) learn(ctx context.Context, on querier, wanted []audit.KindCount) error {
	for _, want := range wanted {
		if _, ok := k.number(want.Kind); ok {
			continue
		}
		number, err := addKind(ctx, on, want.Kind)
		if err != nil {
			return fmt.Errorf("number a kind of decision: %w", err)
		}
		k.mu.Lock()
		k.numbers[want.Kind] = number
		k.mu.Unlock()
	}
	return nil
}

func (k *kinds) number(key audit.Kind) (int32, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	n, ok := k.numbers[key]
	return n, ok
}

func addKind(ctx context.Context, on querier, k audit.Kind) (number int32, err error) {
	digest := kindDigest(k)
	const find = `SELECT id FROM decision_kinds WHERE key = $1`
	err = on.QueryRow(ctx, find, digest).Scan(&number)
	if !errors.Is(err, pgx.ErrNoRows) {
		return number, err
	}
	err = on.QueryRow(ctx, `
		INSERT INTO decision_kinds (key, model, consumer, action, route, version, stage, reasons) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (key) DO NOTHING RETURNING id`,
		digest, k.Model, k.Consumer, k.Action, int32(k.Route), k.Version, k.Stage, k.Reasons).Scan(&number)
	if errors.Is(err, pgx.ErrNoRows) {
		// Another gateway was first.
		err = on.QueryRow(ctx, find, digest).Scan(&number)
	}
	return number, err
}

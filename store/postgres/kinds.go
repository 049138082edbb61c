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

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// maxKinds bounds the memory of kinds; a model server that made up a version for every answer would fill it.
const maxKinds = 10_000

// kindKey is everything that decisions are counted by.
type kindKey struct {
	model, consumer, action string
	route                   candorv1.Route
	version, stage          string
	// reasons has bit n set for Reason n.
	reasons int64
}

// digest of a kind: every text is framed by its length.
func (k kindKey) digest() []byte {
	var b []byte
	for _, text := range [...]string{k.model, k.consumer, k.action, k.version, k.stage} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(text)))
		b = append(b, text...)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(k.route))
	b = binary.BigEndian.AppendUint64(b, uint64(k.reasons))
	sum := sha256.Sum256(b)
	return sum[:]
}

// kindCount is how many rows of a prediction are of a kind.
type kindCount struct {
	kindKey
	rows int64
}

// decision is a row of the index.
type decision struct {
	kind       int32
	timeUS     int64
	prediction nullUUID
	rows       int64
}

// kindsOf sorts a prediction's rows by kind. A row's stage is the one whose answer was released; its version is that stage's
// or, where nothing was released, the primary's, for that is the one that didn't satisfy.
func kindsOf(p *candorv1.PredictionRecord) []kindCount {
	stages := p.GetStages()
	var out []kindCount
next:
	for _, row := range p.GetRows() {
		k := kindKey{
			model: text(p.GetModel()), consumer: text(p.GetConsumer()), action: text(row.GetAction()), route: row.GetRoute(),
			reasons: reasonMask(row.GetReasons()),
		}
		if n := int(row.GetAnsweredBy()); n > 0 && n <= len(stages) {
			k.stage, k.version = text(stages[n-1].GetStage()), text(stages[n-1].GetVersion())
		} else if len(stages) > 0 {
			k.version = text(stages[0].GetVersion())
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

// text is what a TEXT column can hold of s: everything but NUL, which a model server may well send. The log has the original.
func text(s string) string { return strings.ReplaceAll(s, "\x00", "\uFFFD") }

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

// kinds remembers the numbers of kinds. They are added in transactions of their own: one that nothing refers to counts nothing.
type kinds struct {
	mu      sync.Mutex
	numbers map[kindKey]int32
}

func newKinds() kinds { return kinds{numbers: map[kindKey]int32{}} }

// tidy forgets all when there are too many: between batches only, which need what they learned.
func (k *kinds) tidy() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.numbers) > maxKinds {
		clear(k.numbers)
	}
}

// learn makes sure that number knows them.
func (k *kinds) learn(ctx context.Context, on querier, wanted []kindCount) error {
	for _, want := range wanted {
		if _, ok := k.number(want.kindKey); ok {
			continue
		}
		number, err := addKind(ctx, on, want.kindKey)
		if err != nil {
			return fmt.Errorf("number a kind of decision: %w", err)
		}
		k.mu.Lock()
		k.numbers[want.kindKey] = number
		k.mu.Unlock()
	}
	return nil
}

func (k *kinds) number(key kindKey) (int32, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	n, ok := k.numbers[key]
	return n, ok
}

func addKind(ctx context.Context, on querier, k kindKey) (number int32, err error) {
	digest := k.digest()
	const find = `SELECT id FROM decision_kinds WHERE key = $1`
	err = on.QueryRow(ctx, find, digest).Scan(&number)
	if !errors.Is(err, pgx.ErrNoRows) {
		return number, err
	}
	err = on.QueryRow(ctx, `
		INSERT INTO decision_kinds (key, model, consumer, action, route, version, stage, reasons) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (key) DO NOTHING RETURNING id`,
		digest, k.model, k.consumer, k.action, int32(k.route), k.version, k.stage, k.reasons).Scan(&number)
	if errors.Is(err, pgx.ErrNoRows) {
		// Another gateway was first.
		err = on.QueryRow(ctx, find, digest).Scan(&number)
	}
	return number, err
}

package webhook

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The types of messages.
const (
	TypeFinal      = "prediction.final"
	TypeExpired    = "prediction.expired"
	TypeSuperseded = "prediction.superseded"
	// TypeTest is sent by hand, and about nothing.
	TypeTest = "webhook.test"
)

// Event is one entry of the feed as an endpoint gets it.
type Event struct {
	Position uint64
	// Key is the prediction's id, Subject what of it the event is about, as in "0" for its first row.
	Key, Subject string
	Body         []byte
	// Fault says why there is no body and never will be; empty: there is one.
	Fault string
}

// Feed is where events come from: the final answers of a gateway's ledger.
type Feed interface {
	// Events answers those among the next limit entries above after that the endpoint wants, in order, and the position of the
	// last entry that was looked at: after when there is none. An error is the store's: the caller tries again.
	Events(ctx context.Context, endpoint string, after uint64, limit int) (events []Event, to uint64, err error)
	// Changed answers a channel that is closed when the feed grows.
	Changed() <-chan struct{}
	// Now is the store's clock.
	Now() time.Time
}

// Body is what a receiver reads: the type, the time of what happened, and JSON about it.
func Body(kind string, at time.Time, data json.RawMessage) ([]byte, error) {
	body, err := json.Marshal(struct {
		Type      string          `json:"type"`
		Timestamp string          `json:"timestamp"`
		Data      json.RawMessage `json:"data"`
	}{kind, at.UTC().Format(time.RFC3339Nano), data})
	if err != nil {
		return nil, fmt.Errorf("webhook: encode a %s: %w", kind, err)
	}
	return body, nil
}

const (
	idPrefix = "msg_"
	// idBytes of a digest: as many as a UUID has.
	idBytes = 16
)

var idEncoding = base32.HexEncoding.WithPadding(base32.NoPadding)

// ID is the webhook-id of an event to an endpoint. It is derived, so that reading the feed again, after a crash or by hand, makes
// the same one; what it is about is part of it, so that another store's events don't have the ids of this one's.
func ID(endpoint string, e Event) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{endpoint, strconv.FormatUint(e.Position, 10), e.Key, e.Subject}, "\x00")))
	return idOf(sum[:idBytes])
}

func idOf(sum []byte) string { return idPrefix + strings.ToLower(idEncoding.EncodeToString(sum)) }

// isID says whether ID can have made it.
func isID(id string) bool {
	sum, err := idEncoding.DecodeString(strings.ToUpper(strings.TrimPrefix(id, idPrefix)))
	return err == nil && len(sum) == idBytes && idOf(sum) == id
}

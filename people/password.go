package people

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// Cost of an argon2id hash.
type Cost struct {
	// MemoryKiB, at least 8 for each thread.
	MemoryKiB uint32
	Passes    uint32
	Threads   uint8
}

// DefaultCost is the second recommendation of RFC 9106, section 4, for where memory is limited.
var DefaultCost = Cost{MemoryKiB: 64 << 10, Passes: 3, Threads: 4}

// Bounds of what a stored hash may ask for: whoever could write one must not be able to exhaust the memory of the gateway.
const (
	maxMemoryKiB = 1 << 20
	maxPasses    = 32
	saltBytes    = 16
	hashBytes    = 32
)

const (
	// hashesAtOnce bounds the memory that logins take, to 128 MiB at the default cost.
	hashesAtOnce = 2
	// hashWait is how long a login waits for its turn.
	hashWait = 5 * time.Second
)

// ErrBusy: more people log in at this moment than hashes can be computed for.
var ErrBusy = errors.New("people: too many logins at once")

// hasher computes argon2id hashes, a few at a time. Safe for concurrent use.
type hasher struct {
	cost  Cost
	turns chan struct{}
	// nobody is the hash that is computed for users who don't exist or have no password, so that the time tells nothing.
	nobody string
}

func newHasher(cost Cost) *hasher {
	h := &hasher{cost: cost, turns: make(chan struct{}, hashesAtOnce)}
	h.nobody = phc(cost, make([]byte, saltBytes), make([]byte, hashBytes))
	return h
}

// hash answers a new password's hash in PHC form. Errors: ErrBusy.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt)
	sum, err := h.compute(ctx, h.cost, password, salt, hashBytes)
	if err != nil {
		return "", err
	}
	return phc(h.cost, salt, sum), nil
}

// verify says whether the password is the hash's, and whether the hash costs less than new ones do. stored empty: there is none, and it
// takes as long to say no. Errors: ErrBusy; a hash that can't be read.
func (h *hasher) verify(ctx context.Context, stored, password string) (ok, cheap bool, err error) {
	exists := stored != ""
	if !exists {
		stored = h.nobody
	}
	cost, salt, want, err := parsePHC(stored)
	if err != nil {
		return false, false, err
	}
	got, err := h.compute(ctx, cost, password, salt, uint32(len(want)))
	if err != nil {
		return false, false, err
	}
	ok = subtle.ConstantTimeCompare(got, want) == 1 && exists
	cheap = cost.MemoryKiB < h.cost.MemoryKiB || cost.Passes < h.cost.Passes || len(want) < hashBytes
	return ok, cheap, nil
}

func (h *hasher) compute(ctx context.Context, c Cost, password string, salt []byte, n uint32) ([]byte, error) {
	timer := time.NewTimer(hashWait)
	defer timer.Stop()
	select {
	case h.turns <- struct{}{}:
	case <-timer.C:
		return nil, ErrBusy
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-h.turns }()
	return argon2.IDKey([]byte(norm.NFKC.String(password)), salt, c.Passes, c.MemoryKiB, c.Threads, n), nil
}

func phc(c Cost, salt, sum []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.MemoryKiB, c.Passes, c.Threads,
		b64.EncodeToString(salt), b64.EncodeToString(sum))
}

// parsePHC reads a hash that phc wrote.
func parsePHC(s string) (c Cost, salt, sum []byte, err error) {
	bad := func(what string) (Cost, []byte, []byte, error) {
		return Cost{}, nil, nil, fmt.Errorf("people: a stored password's %s can't be used: reset the user", what)
	}
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return bad("form")
	}
	var threads uint32
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.MemoryKiB, &c.Passes, &threads); err != nil || n != 3 ||
		parts[3] != fmt.Sprintf("m=%d,t=%d,p=%d", c.MemoryKiB, c.Passes, threads) {
		return bad("cost")
	}
	if threads < 1 || threads > 255 || c.Passes < 1 || c.Passes > maxPasses || c.MemoryKiB < 8*threads || c.MemoryKiB > maxMemoryKiB {
		return bad("cost")
	}
	c.Threads = uint8(threads)
	if salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil || len(salt) < 8 || len(salt) > 64 {
		return bad("salt")
	}
	if sum, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil || len(sum) < 16 || len(sum) > 64 {
		return bad("hash")
	}
	return c, salt, sum, nil
}

// Length of a password, in characters. The least is what NIST SP 800-63B-4, section 3.1.1.2, wants of a password that is the only
// proof.
const (
	MinPassword = 15
	MaxPassword = 256
	// minBesideName characters must be left when the user's name is taken out.
	minBesideName = 8
	// minDistinct characters keep out what is long and nothing else.
	minDistinct = 5
)

// CheckPassword says what is wrong with a new password, for the person who chose it; empty: nothing is.
func CheckPassword(name, password string) string {
	n := utf8.RuneCountInString(password)
	distinct := map[rune]bool{}
	for _, r := range password {
		distinct[r] = true
	}
	switch {
	case !utf8.ValidString(password):
		return "The password is no text."
	case n < MinPassword:
		return fmt.Sprintf("The password has %d characters: take at least %d. Four or five words are easy to remember.", n, MinPassword)
	case n > MaxPassword:
		return fmt.Sprintf("The password has %d characters: take at most %d.", n, MaxPassword)
	case utf8.RuneCountInString(withoutName(name, password)) < minBesideName:
		return "The password is made of your name: take another."
	case len(distinct) < minDistinct:
		return fmt.Sprintf("The password has only %d different characters: take more.", len(distinct))
	}
	return ""
}

// withoutName takes the name out of a password, or the part of it before an @.
func withoutName(name, password string) string {
	name, _, _ = strings.Cut(strings.ToLower(name), "@")
	return strings.ReplaceAll(strings.ToLower(password), name, "")
}

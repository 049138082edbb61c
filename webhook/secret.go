package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	// secretBytes is within the 24 to 64 of the specification, and what HMAC-SHA256 uses whole.
	secretBytes = 32
	// What the specification allows of secrets that others made.
	minSecretBytes, maxSecretBytes = 24, 64

	secretPrefix = "whsec_"
	// hintLength of the base64 text tells secrets apart and gives away 24 of their 256 bits.
	hintLength = 4
)

// Secret signs messages. It is a value; Key is not to be changed.
type Secret struct {
	Key     []byte
	Created time.Time
	// Expires is when it stops to sign; zero: it is the newest, and doesn't.
	Expires time.Time
}

// NewSecret makes one of the system's randomness, which never fails (crypto/rand).
func NewSecret(now time.Time) Secret {
	key := make([]byte, secretBytes)
	_, _ = rand.Read(key)
	return Secret{Key: key, Created: now}
}

// Text is the secret as receivers' libraries take it: whsec_ and base64.
func (s Secret) Text() string { return secretPrefix + base64.StdEncoding.EncodeToString(s.Key) }

// Hint is enough of the text to tell one secret from another.
func (s Secret) Hint() string { return s.Text()[:len(secretPrefix)+hintLength] + "…" }

// sign makes the webhook-signature header: a signature by each secret, with a space between.
func sign(secrets []Secret, id string, at time.Time, body []byte) string {
	var out []string
	for _, s := range secrets {
		mac := hmac.New(sha256.New, s.Key)
		mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		mac.Write(body)
		out = append(out, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(out, " ")
}

// ParseSecret reads a secret as receivers' libraries take it: whsec_ and the base64 of 24 to 64 bytes.
func ParseSecret(text string) (Secret, error) {
	coded, ok := strings.CutPrefix(text, secretPrefix)
	if !ok {
		return Secret{}, errors.New("a secret begins with " + secretPrefix)
	}
	key, err := base64.StdEncoding.DecodeString(coded)
	if err != nil || len(key) < minSecretBytes || len(key) > maxSecretBytes {
		return Secret{}, fmt.Errorf("what follows %s isn't the base64 of %d to %d bytes", secretPrefix, minSecretBytes, maxSecretBytes)
	}
	return Secret{Key: key}, nil
}

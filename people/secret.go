package people

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// Sum is the SHA-256 of a secret, which is how a store knows it. Secrets here are random, of 128 bits at least, so that a slow hash
// would protect nothing that a fast one doesn't.
type Sum [sha256.Size]byte

// SumOf hashes a secret.
func SumOf(secret string) Sum { return sha256.Sum256([]byte(secret)) }

// secretBytes of a session's key, a forms' token, and a bearer token: 256 bits.
const secretBytes = 32

func newSecret() string {
	var b [secretBytes]byte
	_, _ = rand.Read(b[:]) // it never fails: the program ends when there is no randomness
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// NewID answers a random name, for what people see of sessions and tokens.
func NewID() string { return strings.ToLower(rand.Text()[:12]) }

// tokenPrefix lets scanners for leaked secrets recognise one.
const tokenPrefix = "candor_"

// NewToken answers a fresh bearer token.
func NewToken() string { return tokenPrefix + newSecret() }

// NewHandle answers the random name by which a new user's passkeys know them.
func NewHandle() []byte {
	b := make([]byte, secretBytes)
	_, _ = rand.Read(b)
	return b
}

// codeGroup is how many letters of an enrolment code stand together.
const codeGroup = 5

// NewCode answers a fresh enrolment code, of 125 random bits in five groups of base32, for a person to type.
func NewCode() string {
	text := rand.Text()
	var groups []string
	for len(text) >= codeGroup {
		groups, text = append(groups, text[:codeGroup]), text[codeGroup:]
	}
	return strings.Join(groups, "-")
}

// SumOfCode hashes an enrolment code, however it was typed.
func SumOfCode(typed string) Sum {
	return SumOf(strings.Map(func(r rune) rune {
		switch {
		case r == '-' || r == ' ' || r == '\t' || r == '\n' || r == '\r':
			return -1
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		}
		return r
	}, typed))
}

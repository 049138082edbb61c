package limits

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"
)

const (
	// keySeparator is between a limit's name and a key.
	keySeparator = "/"
	// otherKey is what keys share that find no place of their own, and emptyKey the empty one. No key is escaped to either.
	otherKey = "~other"
	emptyKey = "~empty"
	// longestKey is in bytes, escaped; of a longer one the first keyPrefix stay, and a hash tells them apart.
	longestKey = 128
	keyPrefix  = 64
	keyHash    = 16
)

// KeyName is the name of the limit of one value of a limit's key, in the store and for Reset and the like: the limit's name, a
// slash, and the key, in which all but letters, digits, ".", "_" and "-" is percent-escaped. A long key ends in a hash.
func KeyName(limit, key string) string { return limit + keySeparator + escapeKey(key) }

// OtherKeys is the name of the limit that the values share that have none of their own.
func OtherKeys(limit string) string { return limit + keySeparator + otherKey }

// SplitName answers the limit and the escaped key of a name; of one without a key it is the name itself.
func SplitName(name string) (limit, key string, keyed bool) { return strings.Cut(name, keySeparator) }

// KeyOf answers the value of the key that a name is of, as far as it is text; of a long one the part that its name has, of the empty one
// ~empty. Empty: the name is of no key.
func KeyOf(name string) string {
	_, escaped, _ := SplitName(name)
	plain, err := url.PathUnescape(escaped)
	if err != nil {
		plain = escaped
	}
	return strings.ToValidUTF8(plain, "?")
}

func escapeKey(key string) string {
	if key == "" {
		return emptyKey
	}
	const hexDigits = "0123456789ABCDEF"
	plain := true
	for i := range len(key) {
		plain = plain && plainInKey(key[i])
	}
	escaped := key
	if !plain {
		b := make([]byte, 0, 3*min(len(key), longestKey))
		for i := 0; i < len(key) && len(b) <= longestKey; i++ {
			c := key[i]
			if plainInKey(c) {
				b = append(b, c)
			} else {
				b = append(b, '%', hexDigits[c>>4], hexDigits[c&15])
			}
		}
		escaped = string(b)
	}
	if len(escaped) <= longestKey {
		return escaped
	}
	sum := sha256.Sum256([]byte(key))
	return escaped[:keyPrefix] + "~" + hex.EncodeToString(sum[:keyHash])
}

func plainInKey(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-'
}

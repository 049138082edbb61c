package gateway

import (
	"crypto/sha256"
	"encoding/hex"
)

// cutKey bounds a key, which a client chooses and every record of its answers keeps: a longer one is its beginning and the digest of
// all of it, which no other has.
func cutKey(key string) string {
	if len(key) <= maxLimitKey {
		return key
	}
	const begin, digest = 64, 16
	sum := sha256.Sum256([]byte(key))
	return key[:begin] + "~" + hex.EncodeToString(sum[:digest])
}

package gateway

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
)

// pageToken is where a page of a list ends: its last entry, for the next page to go on after it. The list's name is in it, so that a token
// of another list isn't taken for a place in this one.
func pageToken(list, last string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(list + "\n" + last))
}

// lastOf is the inverse of pageToken; empty for the first page. Errors: INVALID_REQUEST.
func lastOf(list, token string) (last string, err error) {
	if token == "" {
		return "", nil
	}
	// What doesn't decode is as empty as a token that ends nowhere. The decoder takes more than the encoder makes.
	data, _ := base64.RawURLEncoding.DecodeString(token)
	last, ours := strings.CutPrefix(string(data), list+"\n")
	if !ours || last == "" || pageToken(list, last) != token {
		return "", foreignPage()
	}
	return last, nil
}

// positionToken is pageToken of a list in the order of positions, which are above 0.
func positionToken(list string, position uint64) string {
	return pageToken(list, strconv.FormatUint(position, 10))
}

// positionOf is the inverse of positionToken; 0 for the first page. Stores have positions up to the largest int64. Errors: INVALID_REQUEST.
func positionOf(list, token string) (uint64, error) {
	last, err := lastOf(list, token)
	if last == "" || err != nil {
		return 0, err
	}
	position, err := strconv.ParseUint(last, 10, 64)
	if err != nil || position == 0 || position > math.MaxInt64 || positionToken(list, position) != token {
		return 0, foreignPage()
	}
	return position, nil
}

// foreignPage refuses a token that the list hasn't answered.
func foreignPage() *Error {
	return invalid("page_token", "it is not one of this list's; leave it empty for the first page")
}

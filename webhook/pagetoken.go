package webhook

import (
	"math"
	"strconv"
	"strings"
)

// PageToken names the last delivery of a page, for the list to go on after it. Deliveries are listed by position and id.
func PageToken(last Delivery) string { return strconv.FormatUint(last.Position, 10) + "." + last.ID }

// ParsePageToken is the inverse of PageToken, of a Delivery whose ID is one of ID's. The position is at most the largest int64. Errors: ErrPageToken.
func ParsePageToken(token string) (position int64, id string, err error) {
	at, id, _ := strings.Cut(token, ".")
	n, err := strconv.ParseUint(at, 10, 64)
	if err != nil || n > math.MaxInt64 || !isID(id) || token != PageToken(Delivery{Position: n, ID: id}) {
		return 0, "", ErrPageToken
	}
	return int64(n), id, nil
}

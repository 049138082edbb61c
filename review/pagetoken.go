package review

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// ErrPageToken: Filter.After isn't a Page.Next.
var ErrPageToken = errors.New("review: the page token isn't one that a list answered; start again without it")

// PageToken names the last item of a page, for the list to go on after it. Items are listed by creation and id.
func PageToken(last Item) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d/%s", last.Created.UnixMicro(), last.ID))
}

// ParsePageToken is the inverse of PageToken, of an Item whose ID is a UUID, as all have. Errors: ErrPageToken.
func ParsePageToken(token string) (created time.Time, id string, err error) {
	data, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return time.Time{}, "", ErrPageToken
	}
	us, id, ok := strings.Cut(string(data), "/")
	n, err := strconv.ParseInt(us, 10, 64)
	if !ok || err != nil {
		return time.Time{}, "", ErrPageToken
	}
	created = time.UnixMicro(n).UTC()
	// Both parsers take more than one way to write the same.
	if of, err := uuid.Parse(id); err != nil || PageToken(Item{ID: of.String(), Created: created}) != token {
		return time.Time{}, "", ErrPageToken
	}
	return created, id, nil
}

package people

import (
	"io"
	"net/http"
)

// bounded is a transport whose answers end after maxProviderBytes: a provider that sends more is broken, or none.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxProviderBytes), resp.Body}
	return resp, nil
}

package certificate

import "errors"

// Errors of those who keep certificates.
var (
	// ErrNotFound: there is no such certificate.
	ErrNotFound = errors.New("certificate: no such certificate")
	// ErrEnded: it was revoked or superseded before.
	ErrEnded = errors.New("certificate: it has ended")
)

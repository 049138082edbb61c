package certificate

import candorv1 "github.com/candor-gateway/candor/gen/candor/v1"

// Opening is a certificate to be kept.
type Opening struct {
	Key *candorv1.CertificateKey
	// Upstream is the digest of the certificate of the tier before; empty: there is none. When what that one licenses changes,
	// this one begins anew: other rows reach it.
	Upstream string
}

package certificate

import candorv1 "github.com/candor-gateway/candor/gen/candor/v1"

// Plain tells a certificate in plain words.
func Plain(s *candorv1.CertificateState, nowUS int64) []string { return nil }

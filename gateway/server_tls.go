package gateway

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// serverTLS is what the listeners prove and ask for. Read-only after it is made.
type serverTLS struct {
	// text is what was in the files: the same text is the same serverTLS.
	text   [3][]byte
	cert   tls.Certificate
	config *tls.Config
	// authorities that client certificates may be of, encoded.
	authorities map[string]bool
}

// loadServerTLS reads the files of listen.tls, or answers what before has of the same text; nil: the listeners are in plain text.
func loadServerTLS(t *candorv1.ServerTLS, before *plan) (*serverTLS, error) {
	if t == nil {
		return nil, nil
	}
	s := &serverTLS{authorities: map[string]bool{}}
	for i, f := range []struct{ field, file string }{{"cert_file", t.GetCertFile()}, {"key_file", t.GetKeyFile()}, {"client_ca_file", t.GetClientCaFile()}} {
		if f.file == "" {
			continue
		}
		var err error
		if s.text[i], err = os.ReadFile(f.file); err != nil {
			return nil, fmt.Errorf("listen.tls.%s: %w; name a PEM file that can be read", f.field, err)
		}
	}
	if before != nil && before.tls.reads(s.text) {
		return before.tls, nil
	}
	var err error
	if s.cert, err = tls.X509KeyPair(s.text[0], s.text[1]); err != nil {
		return nil, fmt.Errorf("listen.tls: %w; cert_file and key_file must be a PEM certificate and its own key, replaced together", err)
	}
	s.config = &tls.Config{Certificates: []tls.Certificate{s.cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"}}
	if t.GetClientCaFile() == "" {
		return s, nil
	}
	s.config.ClientCAs = x509.NewCertPool()
	if err := s.trust(s.text[2]); err != nil {
		return nil, fmt.Errorf("listen.tls.client_ca_file: %s: %w", t.GetClientCaFile(), err)
	}
	// Verified when given: tokens and declared anonymous callers stay possible beside certificates.
	s.config.ClientAuth = tls.VerifyClientCertIfGiven
	return s, nil
}

func (s *serverTLS) reads(text [3][]byte) bool {
	if s == nil {
		return false
	}
	for i := range text {
		if !bytes.Equal(s.text[i], text[i]) {
			return false
		}
	}
	return true
}

// trust takes the certificates of a PEM text as authorities.
func (s *serverTLS) trust(text []byte) error {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return err
		}
		s.config.ClientCAs.AddCert(cert)
		s.authorities[string(cert.Raw)] = true
	}
	if len(s.authorities) == 0 {
		return errors.New("it holds no PEM certificate")
	}
	return nil
}

// trusts says whether an authority is one of those that client certificates may be of.
func (s *serverTLS) trusts(authority *x509.Certificate) bool {
	return s != nil && s.authorities[string(authority.Raw)]
}

// serverCredentials are those of the plan in force when a connection begins.
func (g *Gateway) serverCredentials() credentials.TransportCredentials {
	if g.plan().tls == nil {
		return insecure.NewCredentials()
	}
	return credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return g.plan().tls.config, nil },
	})
}

// Certificate is that of the listeners, as the configuration in force has it; nil: they are in plain text. It is for other listeners of the
// process, as tls.Config's GetCertificate.
func (g *Gateway) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if t := g.plan().tls; t != nil {
		return &t.cert, nil
	}
	return nil, errors.New("gateway: listen.tls is not set")
}

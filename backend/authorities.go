package backend

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"sync"

	"google.golang.org/grpc/credentials"
)

// authorities are transport credentials whose file of signing certificates is read again for each new connection, so that a renewed one
// is used without a restart. While it can't be read, or holds none, the last good one is used. Safe for concurrent use.
type authorities struct {
	file string
	conf *tls.Config

	mu   sync.Mutex
	text []byte
	last credentials.TransportCredentials
}

// newAuthorities reads the file once, to refuse what is broken.
func newAuthorities(file string, conf *tls.Config) (*authorities, error) {
	a := &authorities{file: file, conf: conf}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("tls.ca_file: %w; write the path of a PEM file that can be read", err)
	}
	if !a.take(text) {
		return nil, fmt.Errorf("tls.ca_file: %s holds no certificate; write the path of a PEM file with the signing certificates", file)
	}
	return a, nil
}

// take uses the certificates of a text from now on, if it holds any. mu is held, or nobody else knows a.
func (a *authorities) take(text []byte) bool {
	conf := a.conf.Clone()
	conf.RootCAs = x509.NewCertPool()
	if !conf.RootCAs.AppendCertsFromPEM(text) {
		return false
	}
	a.text, a.last = text, credentials.NewTLS(conf)
	return true
}

// now answers what the file says.
func (a *authorities) now() credentials.TransportCredentials {
	text, err := os.ReadFile(a.file)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil && !bytes.Equal(text, a.text) {
		a.take(text)
	}
	return a.last
}

func (a *authorities) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return a.now().ClientHandshake(ctx, authority, conn)
}

func (a *authorities) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return a.now().ServerHandshake(conn)
}

func (a *authorities) Info() credentials.ProtocolInfo { return a.now().Info() }

func (a *authorities) Clone() credentials.TransportCredentials {
	a.mu.Lock()
	defer a.mu.Unlock()
	return &authorities{file: a.file, conf: a.conf.Clone(), text: a.text, last: a.last.Clone()}
}

// OverrideServerName is deprecated, and nobody calls it: the name is in the configuration.
func (a *authorities) OverrideServerName(name string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.conf.ServerName = name
	a.take(a.text)
	return nil
}

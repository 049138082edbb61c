package remote

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
)

const (
	// DefaultServer is where a gateway listens that was set up as the examples are.
	DefaultServer = "127.0.0.1:8433"
	// defaultTimeout is for one call: far more than any of them takes, far less than a person waits.
	defaultTimeout = 10 * time.Second
)

// Environment variables that stand in for flags.
const (
	serverVariable = "CANDOR_SERVER"
	tokenVariable  = "CANDOR_TOKEN"
)

// Flags say which gateway a command talks to, and as whom. Its zero value is made useful by Register.
type Flags struct {
	server, tokenFile                     string
	caFile, certFile, keyFile, serverName string
	tls, insecure                         bool
	timeout                               time.Duration
}

// Register adds the flags to a command's.
func (f *Flags) Register(fs *pflag.FlagSet) {
	fs.StringVar(&f.server, "server", "", "gateway's host:port (default $"+serverVariable+", or "+DefaultServer+")")
	fs.StringVar(&f.tokenFile, "token-file", "", "file with your token (default: the token in $"+tokenVariable+")")
	fs.BoolVar(&f.tls, "tls", false, "talk TLS; implied by the four flags about certificates")
	fs.StringVar(&f.caFile, "ca-file", "", "PEM file of the authority that signed the gateway's certificate (default: the system's)")
	fs.StringVar(&f.certFile, "cert-file", "", "PEM file of your certificate, with --key-file")
	fs.StringVar(&f.keyFile, "key-file", "", "PEM file of its key")
	fs.StringVar(&f.serverName, "server-name", "", "name to expect in the gateway's certificate (default: the host of --server)")
	fs.BoolVar(&f.insecure, "insecure", false, "send a token without TLS to an address that is not loopback")
	fs.DurationVar(&f.timeout, "timeout", defaultTimeout, "longest wait for one answer")
}

// Await makes every call wait for longer than --timeout says, because the gateway itself waits that long before it answers.
func (f *Flags) Await(longer time.Duration) { f.timeout += longer }

// Server is the address that the flags and the environment give.
func (f *Flags) Server() string {
	return cmp.Or(f.server, os.Getenv(serverVariable), DefaultServer)
}

// token answers the caller's token; empty: they have none.
func (f *Flags) token() (string, error) {
	if f.tokenFile == "" {
		token := strings.TrimSpace(os.Getenv(tokenVariable))
		if !isToken(token) && token != "" {
			return "", cli.Fail("set it to the token alone", "$%s holds no single token", tokenVariable)
		}
		return token, nil
	}
	data, err := os.ReadFile(f.tokenFile)
	if err != nil {
		return "", cli.Fail("name a file that holds the token alone", "--token-file: %w", err)
	}
	token := strings.TrimSpace(string(data))
	if !isToken(token) {
		return "", cli.Fail("name a file that holds the token alone; candor token --out makes one", "--token-file: %s holds no single token", f.tokenFile)
	}
	return token, nil
}

// isToken says whether a text can travel in a header as one token.
func isToken(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

func (f *Flags) usesTLS() bool {
	return f.tls || f.caFile != "" || f.certFile != "" || f.keyFile != "" || f.serverName != ""
}

// transport answers the credentials of the connection.
func (f *Flags) transport() (credentials.TransportCredentials, error) {
	if !f.usesTLS() {
		return insecure.NewCredentials(), nil
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: f.serverName}
	if f.caFile != "" {
		pem, err := os.ReadFile(f.caFile)
		if err != nil {
			return nil, cli.Fail("name the PEM file of the authority", "--ca-file: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, cli.Fail("name the PEM file of the authority", "--ca-file: %s holds no certificate", f.caFile)
		}
	}
	if (f.certFile == "") != (f.keyFile == "") {
		return nil, cli.Usage("give both", "--cert-file and --key-file belong together")
	}
	if f.certFile != "" {
		cert, err := tls.LoadX509KeyPair(f.certFile, f.keyFile)
		if err != nil {
			return nil, cli.Fail("name the PEM files of one certificate and its key", "--cert-file: %w", err)
		}
		conf.Certificates = []tls.Certificate{cert}
	}
	return credentials.NewTLS(conf), nil
}

// checkToken refuses to send a token where others could read it.
func (f *Flags) checkToken() error {
	if f.usesTLS() || f.insecure || isLoopback(f.Server()) {
		return nil
	}
	return cli.Usage("add --tls, or --insecure if something else encrypts the way there",
		"a token would travel to %s in plain text", f.Server())
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	// RFC 6761: localhost is always loopback.
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

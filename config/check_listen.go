package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

func (c *checker) listen() {
	at, listen := top("listen"), c.cfg.GetListen()
	host, ok := c.address(at.field("grpc"), listen.GetGrpc(), true)
	if ok && !isLoopback(host) && listen.GetTls() == nil && !listen.GetInsecure() && !c.lost(at.field("tls")) && !c.lost(at.field("insecure")) {
		c.complain(at.field("grpc"), "callers from other machines would send their tokens and data in plain text",
			"add tls, listen on 127.0.0.1, or write insecure: true if something in front of it encrypts")
	}
	if listen.GetInsecure() && listen.GetTls() != nil {
		c.warn(at.field("insecure"), "has no effect beside tls", "take one of them out")
	}
	c.address(at.field("http"), listen.GetHttp(), true)
	if _, port, _ := net.SplitHostPort(listen.GetGrpc()); listen.GetHttp() == listen.GetGrpc() && port != "0" && port != "" {
		c.complain(at.field("http"), "is the address of grpc", "give it a port of its own")
	}
	c.proxies(at.field("trusted_proxies"), listen.GetTrustedProxies(), listen.GetWeb() != "")
	if server := listen.GetTls(); server != nil {
		at := at.field("tls")
		c.keyPair(at, server.GetCertFile(), server.GetKeyFile())
		c.authorities(at.field("client_ca_file"), server.GetClientCaFile())
	}
}

// proxies looks at whose X-Forwarded-For is believed.
func (c *checker) proxies(at path, networks []string, used bool) {
	if len(networks) > 0 && !used && !c.lost(at) {
		c.warn(at, "has no effect without web", "take it out, or add web")
	}
	for i, text := range networks {
		if c.lost(at.item(i)) {
			continue
		}
		network, err := netip.ParsePrefix(text)
		if addr, aerr := netip.ParseAddr(text); err != nil && aerr == nil && addr.Zone() == "" {
			continue
		}
		switch {
		case err != nil:
			c.complain(at.item(i), fmt.Sprintf("%q is no network", abridged(text)), "write one such as 10.0.0.0/8, or a proxy's address")
		case network.Bits() == 0:
			c.complain(at.item(i), "is every address: whoever comes could say that they come from anywhere", "write the networks of your proxies only")
		}
	}
}

func (c *checker) telemetry() {
	at, telemetry := top("telemetry"), c.cfg.GetTelemetry()
	c.address(at.field("otlp_endpoint"), telemetry.GetOtlpEndpoint(), false)
	if link := telemetry.GetTraceUrl(); link != "" && !c.lost(at.field("trace_url")) {
		u, err := url.Parse(strings.NewReplacer("{trace_id}", "0", "{span_id}", "0").Replace(link))
		switch {
		case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
			c.complain(at.field("trace_url"), fmt.Sprintf("%q is no address of a page", abridged(link)), "write one such as https://traces.example.com/trace/{trace_id}")
		case !strings.Contains(link, "{trace_id}"):
			c.complain(at.field("trace_url"), "every link would lead to the same page", "put {trace_id} where the trace's id belongs")
		}
	}
}

// address complains about what is not host:port, and answers the host. An empty address is for others to judge. An address to
// listen on may leave out the host, for all of them, and have port 0, for a free one.
func (c *checker) address(at path, address string, listen bool) (host string, ok bool) {
	if address == "" || c.lost(at) {
		return "", false
	}
	host, port, err := net.SplitHostPort(address)
	number, numberErr := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil:
		c.complain(at, fmt.Sprintf("%q is not host:port", abridged(address)), "write one such as 127.0.0.1:8500")
	case numberErr != nil:
		c.complain(at, fmt.Sprintf("%q is not a port", abridged(port)), "write a number up to 65535")
	case listen:
		return host, true
	case number == 0:
		c.complain(at, "port 0 is nobody's", "write the port that the server listens on")
	case host == "":
		c.complain(at, "names no host", "write one before the colon, such as 127.0.0.1"+abridged(address))
	default:
		return host, true
	}
	return "", false
}

// isLoopback says that only this machine can reach the host. A name other than localhost may lead anywhere.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// keyPair looks at a certificate and its key. Both or neither are given.
func (c *checker) keyPair(at path, cert, key string) {
	if !c.files || cert == "" || key == "" {
		return
	}
	certOK := c.readable(at.field("cert_file"), cert)
	keyOK := c.readable(at.field("key_file"), key)
	if !certOK || !keyOK {
		return
	}
	if _, err := tls.LoadX509KeyPair(c.file(cert), c.file(key)); err != nil {
		c.complain(at.field("cert_file"), "can't be used with key_file: "+err.Error(), "name a PEM certificate and its own PEM key")
	}
}

// authorities looks at a file of CA certificates.
func (c *checker) authorities(at path, name string) {
	if !c.files || name == "" || !c.readable(at, name) {
		return
	}
	if pem, err := os.ReadFile(c.file(name)); err != nil || !x509.NewCertPool().AppendCertsFromPEM(pem) {
		c.complain(at, "holds no certificate", "name a file of PEM certificates")
	}
}

func (c *checker) readable(at path, name string) bool {
	info, err := os.Stat(c.file(name))
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	if err == nil {
		var file *os.File
		if file, err = os.Open(c.file(name)); err == nil {
			file.Close()
			return true
		}
	}
	c.complain(at, fmt.Sprintf("can't read %q: %s", abridged(name), reason(err)), "name a file that is there, relative to the configuration's folder")
	return false
}

// file is where a file that the configuration names is.
func (c *checker) file(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(c.folder, name)
}

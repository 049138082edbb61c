package demo

import (
	"errors"
	"net"
	"syscall"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
)

// addresses that the gateway listens at; those that are empty it doesn't.
type addresses struct{ grpc, http, web string }

// defaultWeb is where the pages are, unless somebody says otherwise.
const defaultWeb = "127.0.0.1:8435"

// listen chooses where the gateway listens: where the flags say, or else the configuration, or, headless, anywhere.
func (d *dataDir) listen(o options, v *view) (at addresses, err error) {
	found := d.found.GetListen()
	web := found.GetWeb()
	if web == "" {
		web = defaultWeb
	}
	for _, one := range []struct {
		flag, given, configured string
		chosen                  *string
	}{
		{"--grpc", o.grpc, found.GetGrpc(), &at.grpc}, {"--http", o.http, found.GetHttp(), &at.http}, {"--web", o.web, web, &at.web},
	} {
		if *one.chosen, err = chooseAddress(one.flag, one.given, one.configured, o.headless, v); err != nil {
			return addresses{}, err
		}
	}
	return at, nil
}

// chooseAddress answers an address of the loopback interface; others are refused, because the demo has a consumer without a
// login. Where another program has the port, a free one is taken. Nothing in the configuration: nothing.
func chooseAddress(flag, given, configured string, anywhere bool, v *view) (string, error) {
	want := given
	switch {
	case want != "":
	case configured == "":
		return "", nil
	case anywhere:
		return anyPort, nil
	default:
		want = configured
	}
	host, port, err := net.SplitHostPort(want)
	if err != nil {
		return "", cli.Usage("write host:port, such as 127.0.0.1:8433", "%s: %q is no address", flag, want)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return "", cli.Usage("write 127.0.0.1:PORT; candor serve, with consumers that log in, listens elsewhere",
			"%s: %s is no loopback address, and the demo lets everybody in", flag, want)
	}
	lis, err := net.Listen("tcp", want)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		v.say("Port %s is taken by another program; the demo takes a free one.", port)
		return net.JoinHostPort(host, "0"), nil
	case err != nil:
		return "", cli.Fail("choose another address with "+flag, "%s: %w", flag, err)
	}
	return want, lis.Close()
}

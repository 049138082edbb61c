package demo

import (
	"errors"
	"net"
	"syscall"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
)

// listen chooses where the gateway listens: where the flags say, or else the configuration, or, headless, anywhere.
func (d *dataDir) listen(o options, v *view) (grpc, http string, err error) {
	if grpc, err = chooseAddress("--grpc", o.grpc, d.found.GetListen().GetGrpc(), o.headless, v); err != nil {
		return "", "", err
	}
	http, err = chooseAddress("--http", o.http, d.found.GetListen().GetHttp(), o.headless, v)
	return grpc, http, err
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

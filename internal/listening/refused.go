// Package listening says why an address can't be listened on, and what to do about it.
package listening

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// Refused is the error of net.Listen for the address that a field or a flag has, with its name and a remedy by what is wrong.
func Refused(field string, err error) error { return fmt.Errorf("%s: %w; %s", field, err, remedy(err)) }

// remedies are by what the system says of a socket or an address.
var remedies = []struct {
	of  syscall.Errno
	say string
}{
	{syscall.EADDRINUSE, "another program has the port, or this one already: stop it, choose another number, or port 0 for a free one"},
	{syscall.EACCES, "ports below 1024 need a privilege, and a security policy may keep others: choose a higher number, or give the program CAP_NET_BIND_SERVICE"},
	{syscall.EADDRNOTAVAIL, "this machine has no such address: write one that it has, or leave the host out, for all of them"},
	{syscall.EAFNOSUPPORT, "this machine has no addresses of this kind (IPv6 may be switched off): write one that it has, such as 127.0.0.1"},
	{syscall.EINVAL, "an address that begins with fe80 needs its interface: write [fe80::1%eth0]:8500, or another address"},
	{syscall.EMFILE, "the program may have no more files open: raise its limit (ulimit -n)"},
	{syscall.ENFILE, "the machine may have no more files open: raise fs.file-max"},
}

func remedy(err error) string {
	for _, r := range remedies {
		if errors.Is(err, r.of) {
			return r.say
		}
	}
	if of := (*net.DNSError)(nil); errors.As(err, &of) {
		return "the host's address can't be found: correct its name, or write an address of this machine, or leave it out, for all of them"
	}
	return "write host:port, with an address of this machine and a port from 0 to 65535"
}

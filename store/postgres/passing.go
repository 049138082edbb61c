package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
)

// codeNoDatabase: the server has no database of that name.
const codeNoDatabase = "3D000"

// passingClasses are how codes begin of errors that end by themselves: a connection that broke, a server with too little of something, one
// that starts or stops, or waits for somebody else's lock.
var passingClasses = []string{"08", "53", "57P0", "57014", "55P03", codeSerialization, codeDeadlock, codeIdleTimeout}

// Passing says of an error of Open that it may be another one, or none, a while later, though nobody changes the configuration: the
// server isn't up yet, starts, is too busy, or somebody holds up what Open needs. It doesn't say so of a server that refuses the user, of one
// that can't prove who it is, or of a store that isn't ours.
func Passing(err error) bool {
	var open *OpenError
	if errors.As(err, &open) && !errors.Is(open, ErrUnreachable) || unproved(err) {
		return false
	}
	if c := code(err); c != "" {
		for _, class := range passingClasses {
			if strings.HasPrefix(c, class) {
				return true
			}
		}
		return false
	}
	return onNetwork(err) || lost(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.DeadlineExceeded)
}

// onNetwork says that a connection couldn't be made, or broke, or took too long. A net.Error alone doesn't say so: a system call's error is one,
// also of a file.
func onNetwork(err error) bool {
	var op *net.OpError
	var name *net.DNSError
	var slow net.Error
	return errors.As(err, &op) || errors.As(err, &name) || errors.As(err, &slow) && slow.Timeout()
}

// unproved says that the server could not prove who it is.
func unproved(err error) bool {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var certificate x509.CertificateInvalidError
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &name) || errors.As(err, &certificate)
}

// unreachable is why there is no connection, with what to do.
func (d database) unreachable(err error) error {
	remedy := "start the server, or correct store.postgres.url"
	switch c := code(err); {
	case strings.HasPrefix(c, "28"):
		remedy = "correct the user, or the password (in the variable that store.postgres.url_env names, or in ~/.pgpass), or let the user in by the server's pg_hba.conf"
	case c == codeNoDatabase:
		remedy = "correct store.postgres.url, or create the database and run candor init --config FILE; if there was a store, find it: a fresh one would free every latch"
	case strings.HasPrefix(c, "53"):
		remedy = "raise the server's max_connections, or lower store.postgres.max_connections of its gateways"
	case unproved(err):
		remedy = "correct sslrootcert in store.postgres.url, or the server's certificate"
	}
	return &OpenError{d.name, fmt.Errorf("%w: %w", ErrUnreachable, err), remedy}
}

// reach connects, and refuses a server that can't keep a store.
func (d database) reach(ctx context.Context) (*pgx.Conn, error) {
	conn, err := d.connect(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, d.unreachable(err)
	}
	if err := d.checkServer(ctx, conn); err != nil {
		return nil, errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
	}
	return conn, nil
}

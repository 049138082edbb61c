package postgres

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestPassing(t *testing.T) {
	d := database{name: "postgres://db/candor"}
	server := func(code string) error { return &pgconn.PgError{Code: code} }
	for _, tc := range []struct {
		name   string
		err    error
		passes bool
		remedy string // of one that keeps from connecting
	}{
		{"nobody listens", &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, true, "start the server"},
		{"no socket yet", &net.OpError{Op: "dial", Err: syscall.ENOENT}, true, "start the server"},
		{"no such name yet", &net.DNSError{IsNotFound: true}, true, "start the server"},
		{"nobody answers", fmt.Errorf("dial: %w", context.DeadlineExceeded), true, "start the server"},
		{"it went away", io.ErrUnexpectedEOF, true, "start the server"},
		{"it starts", server("57P03"), true, "start the server"},
		{"it stops", server("57P01"), true, "start the server"},
		{"it has no connection left", server("53300"), true, "max_connections"},
		{"the password is wrong", server("28P01"), false, "the password"},
		{"the user is unknown", server("28000"), false, "pg_hba.conf"},
		{"the database is unknown", server("3D000"), false, "create the database"},
		{"its certificate is another's", x509.HostnameError{Certificate: new(x509.Certificate), Host: "db"}, false, "sslrootcert"},
		{"its certificate is nobody's", fmt.Errorf("tls error: %w", x509.UnknownAuthorityError{}), false, "sslrootcert"},
		{"a lock", server("55P03"), true, ""},
		{"a statement that took too long", server("57014"), true, ""},
		{"a table that may not be read", server("42501"), false, ""},
		{"a foreign store", &OpenError{Err: ErrForeign}, false, ""},
		{"a newer store", &OpenError{Err: ErrNewer}, false, ""},
		{"no store", &OpenError{Err: ErrAbsent}, false, ""},
		{"an old server", &OpenError{Err: ErrServer}, false, ""},
		{"a file that isn't there", &fs.PathError{Op: "open", Path: "root.crt", Err: syscall.ENOENT}, false, ""},
		{"a file that may not be read", &fs.PathError{Op: "open", Path: "candor.db", Err: syscall.EACCES}, false, ""},
		{"a folder that can't be written", fmt.Errorf("trace: %w", &fs.PathError{Op: "open", Path: "spans", Err: syscall.EROFS}), false, ""},
		{"a time that has passed", os.ErrDeadlineExceeded, true, "start the server"},
		{"a mistake", errors.New("store.postgres.url: no"), false, ""},
		{"nothing", nil, false, ""},
	} {
		err := tc.err
		if tc.remedy != "" {
			err = d.unreachable(fmt.Errorf("failed to connect: %w", tc.err))
			var open *OpenError
			if !errors.As(err, &open) || !errors.Is(err, ErrUnreachable) || !strings.Contains(open.Remedy, tc.remedy) {
				t.Errorf("%s: %v; want a remedy with %q", tc.name, err, tc.remedy)
			}
		}
		if got := Passing(errors.Join(err, nil)); got != tc.passes {
			t.Errorf("%s passes: %t", tc.name, got)
		}
	}
}

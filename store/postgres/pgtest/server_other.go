//go:build !unix

package pgtest

import "errors"

// Server is a PostgreSQL of its own.
type Server struct{}

var errUnix = errors.New("a server is started on Unix only: set " + variable + " to the URL of one")

// Start fails here.
func Start(bool) (*Server, error) { return nil, errUnix }

// URL of nothing.
func (*Server) URL(string) string { return "" }

// Socket of nothing.
func (*Server) Socket() string { return "" }

// SetEnv does nothing here.
func (*Server) SetEnv(...string) {}

// Restart fails here.
func (*Server) Restart() error { return errUnix }

// Kill fails here.
func (*Server) Kill() error { return errUnix }

// Close does nothing here.
func (*Server) Close() error { return nil }

//go:build unix

package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// user of the servers that Start starts: it may do everything.
const superuser = "candor"

const (
	startTimeout = time.Minute
	stopTimeout  = 30 * time.Second
)

// Server is a PostgreSQL of its own.
type Server struct {
	dir, bin string
	owner    *syscall.Credential
	fsync    bool
	env      []string
	log      bytes.Buffer

	cmd  *exec.Cmd
	done chan error
}

// Start makes and starts a server in a temporary folder, listening on a socket in it. With fsync it keeps what it said it keeps
// also when it is killed; without, it is fast. Close it.
func Start(fsync bool) (_ *Server, err error) {
	s := &Server{fsync: fsync}
	if s.bin, err = programs(); err != nil {
		return nil, err
	}
	if s.owner, err = owner(); err != nil {
		return nil, err
	}
	// A socket's path is at most 107 bytes: not below a test's own folder.
	if s.dir, err = os.MkdirTemp("", "candor-pg-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(s.dir))
		}
	}()
	if s.owner != nil {
		if err := os.Chown(s.dir, int(s.owner.Uid), int(s.owner.Gid)); err != nil {
			return nil, err
		}
	}
	initdb := s.command("initdb", "-D", s.data(), "-U", superuser, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return s, s.Restart()
}

// URL of a database of the server.
func (s *Server) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User(superuser), Path: "/" + database, RawQuery: url.Values{"host": {s.dir}}.Encode()}
	return u.String()
}

// Socket is the path of the socket that the server listens on, in all of its lives.
func (s *Server) Socket() string { return filepath.Join(s.dir, ".s.PGSQL.5432") }

// SetEnv is what the server's next start has in its environment beside our own, as KEY=value: for example a library that gives it a
// clock of its own.
func (s *Server) SetEnv(env ...string) { s.env = env }

// Restart starts the server after Kill.
func (s *Server) Restart() error {
	fsync := "off"
	if s.fsync {
		fsync = "on"
	}
	s.cmd = s.command("postgres", "-D", s.data(), "-k", s.dir, "-c", "listen_addresses=", "-c", "fsync="+fsync, "-c", "max_connections=400",
		"-c", "shared_buffers=64MB", "-c", "log_min_messages=warning")
	s.log.Reset()
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	s.done = make(chan error, 1)
	started := make(chan error)
	go func() {
		// The kernel ends the server with the thread that started it: so this one stays as long as the server, and the server
		// doesn't outlive a test binary that is killed.
		runtime.LockOSThread()
		err := s.cmd.Start()
		started <- err
		if err == nil {
			s.done <- s.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case werr := <-s.done:
			return fmt.Errorf("postgres has ended: %w\n%s", werr, s.log.String())
		case <-ctx.Done():
			return fmt.Errorf("postgres doesn't answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Kill ends the server and all of its processes at once, as a crash of the machine does, but for what the system had in memory.
func (s *Server) Kill() error {
	pid := s.cmd.Process.Pid
	children := childrenOf(pid)
	err := s.cmd.Process.Kill()
	for _, child := range children {
		_ = syscall.Kill(child, syscall.SIGKILL) // it may have ended by itself
	}
	<-s.done
	return err
}

// childrenOf answers the processes that a process has started.
func childrenOf(pid int) (out []int) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	for _, field := range strings.Fields(string(data)) {
		var child int
		if _, err := fmt.Sscan(field, &child); err == nil {
			out = append(out, child)
		}
	}
	return out
}

// Close stops the server and removes everything.
func (s *Server) Close() error {
	// An immediate shutdown: nothing of it is needed again.
	err := s.cmd.Process.Signal(syscall.SIGQUIT)
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	select {
	case <-s.done:
	case <-time.After(stopTimeout):
		err = errors.Join(err, errors.New("postgres doesn't stop"), s.Kill())
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, program), args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), s.env...)
	cmd.SysProcAttr = dieWithParent(s.owner)
	return cmd
}

// programs answers the folder of the newest server's programs.
func programs() (string, error) {
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dir := strings.TrimSpace(string(out))
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil {
			return dir, nil
		}
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errors.New("PostgreSQL isn't installed: neither pg_config nor /usr/lib/postgresql/*/bin/initdb is there; " +
			"install Debian's package postgresql, or its like")
	}
	slices.SortFunc(found, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	return filepath.Dir(found[len(found)-1]), nil
}

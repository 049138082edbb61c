package remote

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func withInfo(code codes.Code, message, reason string, metadata map[string]string) error {
	st, err := status.New(code, message).WithDetails(&errdetails.ErrorInfo{Reason: reason, Domain: "candor", Metadata: metadata})
	if err != nil {
		panic(err)
	}
	return st.Err()
}

func TestExplain(t *testing.T) {
	f := &Flags{server: "127.0.0.1:1", timeout: 3 * time.Second}
	for _, tt := range []struct {
		name   string
		err    error
		want   string
		reason candorv1.ErrorReason
	}{
		{"the gateway's own remedy", withInfo(codes.Unauthenticated, "there are no credentials", "UNAUTHENTICATED", map[string]string{"remedy": "present one"}),
			"there are no credentials (UNAUTHENTICATED); present one", candorv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED},
		{"a remedy within the message", withInfo(codes.Aborted, "your lease has ended; claim again", "STALE_LEASE", nil),
			"your lease has ended; claim again (STALE_LEASE)", candorv1.ErrorReason_ERROR_REASON_STALE_LEASE},
		{"a remedy of the terminal", withInfo(codes.NotFound, "there is no limit \"x\"", "LIMIT_NOT_FOUND", nil),
			"there is no limit \"x\" (LIMIT_NOT_FOUND); candor limits list shows their names", candorv1.ErrorReason_ERROR_REASON_LIMIT_NOT_FOUND},
		{"a reason of a newer gateway, and an escape sequence", withInfo(codes.NotFound, "no\x1b[2J", "BRAND_NEW", nil), `no\x1b[2J (BRAND_NEW)`, 0},
		{"nobody there", status.Error(codes.Unavailable, `connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:1: connect: connection refused"`),
			"no gateway answers at 127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused; start one with candor serve, or name its address with --server; " +
				"one that talks TLS needs --tls", 0},
		{"too slow", status.Error(codes.DeadlineExceeded, "context deadline exceeded"),
			"127.0.0.1:1 did not answer within 3s; try again, or give it longer with --timeout", 0},
		{"no gateway", status.Error(codes.Unimplemented, "unknown service candor.v1.LimitService"),
			"127.0.0.1:1 does not know the call: unknown service candor.v1.LimitService; name a Candor gateway's gRPC address, of this version or a newer one, with --server", 0},
		{"something else", status.Error(codes.Internal, "oh"), "Internal: oh", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := f.explain(tt.err)
			if got.Error() != tt.want {
				t.Errorf("%s\nwant %s", got, tt.want)
			}
			if Reason(got) != tt.reason {
				t.Errorf("reason %v, want %v", Reason(got), tt.reason)
			}
			if status.Code(errors.Unwrap(got)) != status.Code(tt.err) {
				t.Errorf("the status is lost: %v", errors.Unwrap(got))
			}
		})
	}
	if f.explain(nil) != nil || Reason(nil) != 0 || Reason(errors.New("x")) != 0 {
		t.Error("no error has become one")
	}
}

// Remedies are for reasons that there are, and every one that is written down is reachable.
func TestRemediesAreForReasons(t *testing.T) {
	for r, text := range remedies {
		if candorv1.ErrorReason_name[int32(r)] == "" || r == 0 || text == "" {
			t.Errorf("%v: %q", r, text)
		}
	}
}

func TestTokensStayPrivate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("candor_x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(tokenVariable, "")
	for _, tt := range []struct {
		flags Flags
		ok    bool
	}{
		{Flags{server: "127.0.0.1:1", tokenFile: file}, true},
		{Flags{server: "[::1]:1", tokenFile: file}, true},
		{Flags{server: "localhost:1", tokenFile: file}, true},
		{Flags{server: "10.0.0.1:1", tokenFile: file}, false},
		{Flags{server: "localhost.example.com:1", tokenFile: file}, false},
		{Flags{server: "gateway:1", tokenFile: file}, false},
		{Flags{server: "gateway:1", tokenFile: file, insecure: true}, true},
		{Flags{server: "gateway:1", tokenFile: file, tls: true}, true},
		{Flags{server: "gateway:1", tokenFile: file, serverName: "g"}, true},
		{Flags{server: "gateway:1"}, true}, // nothing to give away
	} {
		tt.flags.timeout = defaultTimeout
		conn, err := tt.flags.Dial()
		if (err == nil) != tt.ok {
			t.Errorf("%+v: %v", tt.flags, err)
		}
		var e *cli.Error
		if err != nil && (!errors.As(err, &e) || e.Status != cli.StatusUsage || !strings.Contains(err.Error(), "plain text")) {
			t.Errorf("%+v: %v", tt.flags, err)
		}
		if conn != nil {
			_ = conn.Close()
		}
	}
}

func TestDialRefuses(t *testing.T) {
	t.Setenv(tokenVariable, "")
	folder := t.TempDir()
	file := filepath.Join(folder, "notes")
	if err := os.WriteFile(file, []byte("two words\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, f := range map[string]Flags{
		"--token-file: " + file + " holds no single token":      {tokenFile: file},
		"--token-file: open ":                                   {tokenFile: filepath.Join(folder, "none")},
		"--ca-file: " + file + " holds no certificate":          {caFile: file},
		"--ca-file: open ":                                      {caFile: filepath.Join(folder, "none")},
		"--cert-file and --key-file belong together; give both": {certFile: file},
		"--cert-file: ":                                         {certFile: file, keyFile: file},
		`--server: "here" is no address; give `:                 {server: "here"},
		`--server: "here:99999" is no address; give `:           {server: "here:99999"},
		"--timeout is -1s; write a span such as 10s":            {timeout: -time.Second},
	} {
		f.timeout = cmp.Or(f.timeout, defaultTimeout)
		if _, err := f.Dial(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestDialRefusesAVariable(t *testing.T) {
	for _, token := range []string{"two words", "two\nlines", "tökén", "\x1b[2J"} {
		t.Setenv(tokenVariable, token)
		f := Flags{timeout: defaultTimeout}
		if _, err := f.Dial(); err == nil || err.Error() != "$CANDOR_TOKEN holds no single token; set it to the token alone" {
			t.Errorf("%q: %v", token, err)
		}
	}
}

func TestServerOrder(t *testing.T) {
	t.Setenv(serverVariable, "")
	f := Flags{}
	if got := f.Server(); got != DefaultServer {
		t.Error(got)
	}
	t.Setenv(serverVariable, "10.0.0.1:5")
	if got := f.Server(); got != "10.0.0.1:5" {
		t.Error(got)
	}
	f.server = "10.0.0.2:5"
	if got := f.Server(); got != "10.0.0.2:5" {
		t.Error(got)
	}
}

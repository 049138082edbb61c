package interop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
)

// grpcurl is the Go tool of that name, which knows the services by reflection alone.
type grpcurl struct {
	path, version, addr string
}

// failureOffset is what grpcurl adds to a gRPC code to make its exit status.
const failureOffset = 64

// runGrpcurl checks what a person with a terminal sees.
func runGrpcurl(t *testing.T, rec *record, p *plan) {
	ctx, cancel := context.WithTimeout(t.Context(), clientTimeout)
	defer cancel()
	g := newGrpcurl(ctx, t, p.Gateway)
	for _, c := range g.checks(p) {
		saw, err := c.run(ctx)
		row := recordRow{client: "grpcurl", version: g.version, check: c.name, ok: err == nil, saw: saw}
		if err != nil {
			row.saw = err.Error()
		}
		rec.note(t, row)
	}
}

// newGrpcurl builds the tool that tools/go.mod pins.
func newGrpcurl(ctx context.Context, t *testing.T, addr string) *grpcurl {
	t.Helper()
	goOut := func(args ...string) string {
		cmd := exec.CommandContext(ctx, "go", args...)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, errs.String())
		}
		return strings.TrimSpace(string(out))
	}
	const modfile = "-modfile=../tools/go.mod"
	return &grpcurl{
		// -n builds the tool and prints its path in place of running it.
		path:    goOut("tool", modfile, "-n", "grpcurl"),
		version: strings.TrimPrefix(goOut("list", modfile, "-m", "-f", "{{.Version}}", "github.com/fullstorydev/grpcurl"), "v"),
		addr:    addr,
	}
}

// call runs grpcurl; with data it is a call of a method, otherwise a question to reflection. The error has what grpcurl printed.
func (g *grpcurl) call(ctx context.Context, flags []string, data any, what ...string) (string, error) {
	args := append([]string{"-plaintext"}, flags...)
	if data != nil {
		text, err := json.Marshal(data)
		if err != nil {
			return "", err
		}
		args = append(args, "-d", string(text))
	}
	args = append(append(args, g.addr), what...)
	cmd := exec.CommandContext(ctx, g.path, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("grpcurl %s: %w: %s", strings.Join(what, " "), err, errs.String())
	}
	return out.String(), nil
}

// object is a call whose answer is one JSON object.
func (g *grpcurl) object(ctx context.Context, flags []string, data any, method string) (map[string]any, error) {
	out, err := g.call(ctx, flags, data, method)
	if err != nil {
		return nil, err
	}
	var answer map[string]any
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", method, err, out)
	}
	return answer, nil
}

// refused is a call that must end with a code and with these words in what grpcurl prints, details included.
func (g *grpcurl) refused(ctx context.Context, flags []string, data any, method string, code codes.Code, words ...string) (string, error) {
	_, err := g.call(ctx, flags, data, method)
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return "", fmt.Errorf("no refusal: %w", err)
	}
	if got := exit.ExitCode() - failureOffset; got != int(code) {
		return "", fmt.Errorf("code %v, want %v: %w", codes.Code(got), code, err)
	}
	return code.String() + ": " + strings.Join(words, ", "), contains(err.Error(), words...)
}

func contains(text string, words ...string) error {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return fmt.Errorf("there is no %q in:\n%s", w, text)
		}
	}
	return nil
}

// dig follows keys and indices into decoded JSON; nil: there is no such thing.
func dig(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

func same(what string, got, want any) error {
	if got != want {
		return fmt.Errorf("%s is %v, want %v", what, got, want)
	}
	return nil
}

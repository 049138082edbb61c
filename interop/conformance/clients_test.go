package conformance_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// client is a client that others wrote, with the program in clients/ that makes our calls with it.
type client struct {
	title string
	// pkg is the package whose version the table tells.
	pkg string
	// program in clients/, and the variable of run.sh that names the interpreter; Node has none.
	program, python string
	// service whose descriptors Node loads, and whose dialect its user has told Candor; empty: the server's own.
	service string
	can     []ability
}

func clients() []*client {
	triton := []ability{compressed, streams, priorities, doubles, wrongShapes, versions, metadataCalls, tritonCalls}
	node := []ability{typed, messages, compressed, streams, wrongShapes, versions, metadataCalls, tritonCalls, doubles}
	return []*client{
		{title: "tritonclient", pkg: "tritonclient", program: "triton.py", python: "CANDOR_PYTHON_TRITON", can: triton},
		{title: "tritonclient.aio", pkg: "tritonclient", program: "triton_aio.py", python: "CANDOR_PYTHON_TRITON", can: triton},
		{
			title: "open-inference-grpc", pkg: "open-inference-grpc", program: "oip.py", python: "CANDOR_PYTHON_OIP",
			can: []ability{typed, messages, rawBytes, compressed, wrongShapes, versions, metadataCalls},
		},
		{title: "kserve", pkg: "kserve", program: "kserve_client.py", python: "CANDOR_PYTHON_KSERVE", can: []ability{typed, wrongShapes}},
		{title: "@grpc/grpc-js", pkg: "@grpc/grpc-js", program: "node/client.js", can: node},
		{title: "@grpc/grpc-js as Triton's", pkg: "@grpc/grpc-js", program: "node/client.js", service: "triton", can: node},
	}
}

func (c *client) node() bool { return c.python == "" }

// speaks is the dialect of the service that Node has loaded.
func (c *client) speaks(s *server) string {
	if c.service != "" {
		return c.service
	}
	return s.dialect
}

// checks are those of a server that the client can make.
func (c *client) checks(s *server) []testCase {
	return slices.DeleteFunc(checksOf(s), func(k testCase) bool {
		if k.needs == anyClient {
			return false
		}
		if c.node() && c.speaks(s) != "triton" && (k.needs == tritonCalls || k.needs == doubles || k.needs == streams && !s.streams) {
			// It has the methods and the kinds of parameters that the server published, and no others.
			return true
		}
		if k.needs == streams && !s.streams && c.program == "triton_aio.py" {
			// Where a server refuses the stream at once, this client may see that its own write failed before it sees why: what it
			// reports is a matter of who was faster.
			return true
		}
		return !slices.Contains(c.can, k.needs)
	})
}

// runTimeout ends a client that hangs, which is a finding and not to be waited out.
const runTimeout = 5 * time.Minute

// run has the client make the checks at addr, and answers what it saw.
func (c *client) run(t *testing.T, s *server, addr string, checks []testCase) map[string]outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runTimeout)
	defer cancel()
	dir := t.TempDir()
	spec := map[string]any{"address": addr, "cases": checks}
	var cmd *exec.Cmd
	file := filepath.Join(dir, "cases.json")
	if c.node() {
		descriptors := filepath.Join(dir, "descriptors.pb")
		python, module := s.python, s.descriptors
		if c.service == "triton" {
			python, module = "CANDOR_PYTHON_TRITON", "tritonclient.grpc.service_pb2"
		}
		run(t, required(t, python), "clients/descriptors.py", module, descriptors)
		spec["descriptors"] = descriptors
		spec["token"] = token(c.speaks(s))
		cmd = exec.CommandContext(ctx, "node", filepath.Join("clients", c.program), file)
		cmd.Env = append(os.Environ(), "NODE_PATH="+required(t, "CANDOR_NODE_MODULES"))
	} else {
		cmd = exec.CommandContext(ctx, required(t, c.python), filepath.Join("clients", c.program), file)
		cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	}
	text, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Errorf("%s: %v\n%s", c.program, err, errs.String())
	}
	outcomes, err := readOutcomes(&out)
	if err != nil {
		t.Errorf("%s: %v\n%s", c.program, err, errs.String())
	}
	return outcomes
}

// version of the package that a client or a server comes in.
func version(t *testing.T, python, pkg string) string {
	t.Helper()
	if python == "" {
		text, err := os.ReadFile(filepath.Join(required(t, "CANDOR_NODE_MODULES"), pkg, "package.json"))
		if err != nil {
			t.Fatal(err)
		}
		var p struct{ Version string }
		if err := json.Unmarshal(text, &p); err != nil {
			t.Fatal(err)
		}
		return p.Version
	}
	return strings.TrimSpace(run(t, required(t, python), "-c", "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))", pkg))
}

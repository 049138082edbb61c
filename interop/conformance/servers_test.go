package conformance_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/heldport"
)

// server is a model server that others wrote, with the models of servers/tensors.py.
type server struct {
	// name is what its models' names begin with.
	name string
	// title and packages are for the table; the first package is the server.
	title    string
	packages []string
	// dialect as the configuration has it.
	dialect string
	// program in servers/, and the variable of run.sh that names the interpreter to run it with.
	program, python string
	// libraries is a variable of run.sh that names a folder of shared libraries which it needs.
	libraries string
	// descriptors is the module with the protobuf descriptors that it publishes.
	descriptors string
	// The outputs of its classifier.
	scoreOutput, scoreDatatype, otherOutput, otherDatatype string
	// otherShape and otherNeutral as the configuration has them.
	otherShape, otherNeutral string
	// streams: it has a model that streams.
	streams bool

	// addr is host:port once it runs, calledItself what it told of itself then.
	addr, calledItself string
}

func servers() []*server {
	return []*server{
		{
			name: "mlserver", title: "MLServer", packages: []string{"mlserver", "mlserver-sklearn", "scikit-learn"}, dialect: "mlserver",
			program: "mlserver_serve.py", python: "CANDOR_PYTHON_MLSERVER", descriptors: "mlserver.grpc.dataplane_pb2",
			scoreOutput: "predict_proba", scoreDatatype: "FP64", otherOutput: "predict", otherDatatype: "INT64", otherShape: "[-1, 1]", otherNeutral: "neutral: 0", streams: true,
		},
		{
			name: "kserve", title: "KServe Python SDK", packages: []string{"kserve"}, dialect: "kserve",
			program: "kserve_serve.py", python: "CANDOR_PYTHON_KSERVE", descriptors: "kserve.protocol.grpc.grpc_predict_v2_pb2",
			scoreOutput: "probabilities", scoreDatatype: "FP32", otherOutput: "label", otherDatatype: "BYTES", otherShape: "[-1]", otherNeutral: `neutral_text: ""`,
		},
		{
			name: "triton", title: "Triton Inference Server, in PyTriton", packages: []string{"nvidia-pytriton"}, dialect: "triton",
			program: "pytriton_serve.py", python: "CANDOR_PYTHON_PYTRITON", libraries: "CANDOR_PYTHON_PYTRITON_LIBRARIES", descriptors: "tritonclient.grpc.service_pb2",
			scoreOutput: "probabilities", scoreDatatype: "FP32", otherOutput: "label", otherDatatype: "BYTES", otherShape: "[-1, 1]", otherNeutral: `neutral_text: ""`, streams: true,
		},
	}
}

// models are the names of a server's models, without the server's.
func (s *server) models() []string {
	all := []string{"classifier", "identity", "halves"}
	if s.streams {
		all = append(all, "stream")
	}
	return all
}

// startTimeout ends a server that doesn't come up. Triton loads a Python process for each model.
const startTimeout = 2 * time.Minute

// start runs the server until the test ends, and waits until its models are ready.
func (s *server) start(t *testing.T) {
	t.Helper()
	// They don't tell which port they got, so they can't be asked to take a free one themselves.
	s.addr = heldport.For(t)
	ports := []string{portOf(t, s.addr), portOf(t, heldport.For(t)), portOf(t, heldport.For(t))}
	program, err := filepath.Abs(filepath.Join("servers", s.program))
	if err != nil {
		t.Fatal(err)
	}
	// What they leave behind goes with the test.
	left := t.TempDir()
	env := []string{"PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1", "TMPDIR=" + left, "PYTRITON_HOME=" + left}
	if s.libraries != "" {
		env = append(env, "LD_LIBRARY_PATH="+required(t, s.libraries))
	}
	p := startProcess(t, s.title, env, required(t, s.python), append([]string{program}, ports...)...)
	ready(t, p, s.addr, func(ctx context.Context, c inference.GRPCInferenceServiceClient) error {
		about, err := c.ServerMetadata(ctx, &inference.ServerMetadataRequest{}, grpc.WaitForReady(true))
		if err != nil {
			return err
		}
		s.calledItself = about.GetName() + " " + about.GetVersion()
		for _, m := range s.models() {
			r, err := c.ModelReady(ctx, &inference.ModelReadyRequest{Name: s.name + "-" + m}, grpc.WaitForReady(true))
			if err != nil {
				return err
			}
			if !r.GetReady() {
				return fmt.Errorf("model %s-%s is not ready", s.name, m)
			}
		}
		return nil
	})
}

// pollEvery is how often somebody else's process is asked whether it is ready: it has no other way to tell.
const pollEvery = 100 * time.Millisecond

// ready waits until ask has no error any more, and gives up when the process has ended or startTimeout is over.
func ready(t *testing.T, p *process, addr string, ask func(context.Context, inference.GRPCInferenceServiceClient) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(); err != nil {
			t.Errorf("closing the connection to %s: %v", addr, err)
		}
	}()
	client := inference.NewGRPCInferenceServiceClient(conn)
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := ask(ctx, client)
		if err == nil {
			return
		}
		select {
		case <-p.ended:
			t.Fatalf("%s ended before it was ready:\n%s", p.name, p.output(t))
		case <-ctx.Done():
			t.Fatalf("%s is not ready after %v: %v\n%s", p.name, startTimeout, err, p.output(t))
		case <-tick.C:
		}
	}
}

func portOf(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// required answers a variable of run.sh.
func required(t *testing.T, name string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		t.Fatalf("%s is not set; run interop/run.sh, which makes what it names", name)
	}
	return v
}

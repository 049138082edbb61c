package demo

import (
	"fmt"
	"io"
	"os"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/gateway"
)

// requestName is a file with a request to send by hand.
const requestName = "request.json"

// writeNext lists commands to try against the gateway, with the ids of what has just happened.
func writeNext(w io.Writer, d *dataDir, a gateway.Addrs, pages string, s *stage, f figures, c certified) error {
	candor := self()
	as := func(who string) string {
		return fmt.Sprintf("--server %s --token-file %s", a.GRPC, quote(d.tokenFile(who)))
	}
	var b strings.Builder
	b.WriteString("\nThe gateway goes on serving. Try:\n")
	step := func(what string, commands ...string) {
		fmt.Fprintf(&b, "\n  # %s\n", what)
		for _, command := range commands {
			fmt.Fprintf(&b, "  %s\n", command)
		}
	}
	for _, e := range []struct {
		kind example
		what string
	}{
		{exampleUncertified, "Why was this one not accepted, sure as the model was?"},
		{exampleAccepted, "Why was this one accepted?"},
		{exampleFallback, "Who answered this one, when the primary couldn't?"},
		{exampleDeferred, "Why does this one wait for a human?"},
		{exampleWithheld, "What withheld this one?"},
	} {
		if id := f.examples[e.kind]; id != "" {
			step(e.what, fmt.Sprintf("%s explain %s %s", candor, id, as(operator)))
		}
	}
	// The surge beside as much time before it, which was normal traffic.
	step(fmt.Sprintf("Why did the action %s more than double?", s.cast.action),
		fmt.Sprintf("%s explain --since %s --until %s --action %s --by reason,version %s", candor, cli.ExactTime(s.surged), cli.ExactTime(s.ended),
			s.cast.action, as(operator)))
	step("Be the human: look at a digit, and say what it is. On the page, or in the terminal.", "open "+pages,
		fmt.Sprintf("%s review next %s", candor, as(reviewer)))
	step("What may be accepted, on what evidence, and what does it cost?",
		fmt.Sprintf("%s certificate show %s %s", candor, c.id(), as(operator)))
	step("The tripped limit: look, and reset it, with your reason on record.",
		fmt.Sprintf("%s limits list %s", candor, as(operator)),
		fmt.Sprintf("%s limits reset %s --reason 'the surge was a demo' %s", candor, s.cast.limit, as(operator)))
	step("Has anybody changed the decision log?", fmt.Sprintf("%s audit verify --data-dir %s", candor, quote(d.path)))
	step("Be a client of the Open Inference Protocol, with nothing of Candor's but the address.",
		fmt.Sprintf("grpcurl -plaintext %s list", a.GRPC),
		fmt.Sprintf("grpcurl -plaintext -d @ %s inference.GRPCInferenceService/ModelInfer < %s", a.GRPC, quote(d.in(requestName))))
	if a.HTTP != "" {
		step("The metrics.", fmt.Sprintf("curl -s http://%s/metrics | grep ^candor_", a.HTTP))
	}
	fmt.Fprintf(&b, "\nConfiguration, store, tokens and the gateway's log are in %s.\n", d.path)
	if d.temporary {
		b.WriteString("It is removed when you stop the demo; --data-dir DIR keeps it.\n")
	}
	b.WriteString("Stop with Ctrl-C.\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// writeRequest stores a request about one image, in the JSON that grpcurl reads.
func writeRequest(d *dataDir, t *tally) error {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(request(modelName, t.images, []int{0}))
	if err != nil {
		return err
	}
	return os.WriteFile(d.in(requestName), text, 0o600)
}

// self is how the user started this program: go run leaves an executable in a folder that is gone soon.
func self() string {
	if exe, err := os.Executable(); err != nil || strings.Contains(exe, "go-build") {
		return "go run ./cmd/candor"
	}
	return os.Args[0]
}

// quote is for a shell, where the path needs it.
func quote(path string) string {
	if !strings.ContainsAny(path, " '\"$&;()<>|*?\\`~#!") {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

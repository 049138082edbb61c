package conformance_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/template"

	"google.golang.org/grpc"

	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/heldport"
)

// configuration is Candor in front of all servers. Names of models are the servers' own, so that a client sends the same bytes
// on both ways. The breakers never open: half of the checks are made to fail.
//
// Classifiers are enforced with a threshold that every answer passes, being a little more than one in three; the other models say nothing about themselves, and pass
// because nothing is enforced.
var configuration = template.Must(template.New("candor.yaml").Funcs(template.FuncMap{"everyType": everyType, "lower": strings.ToLower}).Parse(`
listen: {grpc: "{{.Addr}}", default_deadline: 30s}
store: {identity: conformance, sqlite: {path: candor.db}}
consumers:
  anybody: {identity: {anonymous: true}, models: ["*"]}
{{- range .Servers}}
  speaks-{{.Dialect}}: {identity: {token_sha256: {{.TokenSHA256}}}, models: ["*"], dialect: {{.Dialect}}}
{{- end}}
backends:
{{- range $s := .Servers}}{{range $m := .Models}}
  {{$s.Name}}-{{$m}}:
    address: {{$s.Addr}}
    model: {{$s.Name}}-{{$m}}
    version: "1"
    dialect: {{$s.Dialect}}
    timeout: 20s
    breaker: {min_calls: 1000000, window: 1m}
    card:
      created_at: 2026-11-01T00:00:00Z
      owner: conformance suite
      rows: first_dim
{{- if eq $m "identity"}}
      inputs:
{{- range everyType ""}}
        - {name: {{.Name}}, datatype: {{.Datatype}}, shape: [-1, -1]}
{{- end}}
      outputs:
{{- range everyType ""}}
        - {name: out_{{lower .Datatype}}, datatype: {{.Datatype}}, shape: [-1, -1]}
{{- end}}
{{- else if eq $m "halves"}}
      inputs: [{name: in_fp16, datatype: FP16, shape: [-1, -1]}]
      outputs: [{name: out_fp16, datatype: FP16, shape: [-1, -1]}]
{{- else}}
      inputs: [{name: x, datatype: FP32, shape: [-1, 4]}]
{{- if eq $m "classifier"}}
      outputs:
        - {name: {{$s.ScoreOutput}}, datatype: {{$s.ScoreDatatype}}, shape: [-1, 3]}
        - {name: {{$s.OtherOutput}}, datatype: {{$s.OtherDatatype}}, shape: {{$s.OtherShape}}}
      scores: [{output: {{$s.ScoreOutput}}, kind: probability, labels: [low, middle, high]}]
{{- else}}
      outputs: [{name: probabilities, datatype: FP32, shape: [-1, 3]}]
      scores: [{output: probabilities, kind: probability, labels: [low, middle, high]}]
{{- end}}{{end}}
{{- end}}{{end}}
models:
{{- range $s := .Servers}}{{range $m := .Models}}
  {{$s.Name}}-{{$m}}:
    primary: {{$s.Name}}-{{$m}}
    policy:
    {{- if or (eq $m "identity") (eq $m "halves")}}
      mode: observe
    {{- else}}
      mode: enforce
      accept: {threshold: {probability: 0.34}}
      answers:
        {{- if eq $m "stream"}}
        - {output: probabilities, fill: scores}
        {{- else}}
        - {output: {{$s.ScoreOutput}}, fill: scores}
        - {output: {{$s.OtherOutput}}, fill: neutral, {{$s.OtherNeutral}}}
        {{- end}}
    {{- end}}
{{- end}}{{end}}
`))

// serverConfig is what the configuration's template reads of a server.
type serverConfig struct {
	Name, Addr, Dialect                                    string
	ScoreOutput, ScoreDatatype, OtherOutput, OtherDatatype string
	OtherShape, OtherNeutral                               string
	Models                                                 []string
	TokenSHA256                                            string
}

// token is that of a consumer who speaks the dialect: the Node client, which reads what the server published.
func token(dialect string) string { return "conformance-" + dialect }

// startCandor builds the binary, makes its store, and runs it until the test ends. It answers its address.
func startCandor(t *testing.T, all []*server) string {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "candor")
	run(t, "go", "build", "-o", binary, "../../cmd/candor")

	addr := heldport.For(t)
	data := struct {
		Addr    string
		Servers []serverConfig
	}{Addr: addr}
	for _, s := range all {
		data.Servers = append(data.Servers, serverConfig{
			Name: s.name, Addr: s.addr, Dialect: s.dialect, ScoreOutput: s.scoreOutput, ScoreDatatype: s.scoreDatatype,
			OtherOutput: s.otherOutput, OtherDatatype: s.otherDatatype, OtherShape: s.otherShape, OtherNeutral: s.otherNeutral, Models: s.models(),
			TokenSHA256: fmt.Sprintf("%x", sha256.Sum256([]byte(token(s.dialect)))),
		})
	}
	path := filepath.Join(dir, "candor.yaml")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := configuration.Execute(f, data); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	run(t, binary, "init", "--config", path)
	p := startProcess(t, "candor", nil, binary, "serve", "--config", path)
	ready(t, p, addr, func(ctx context.Context, c inference.GRPCInferenceServiceClient) error {
		_, err := c.ServerReady(ctx, &inference.ServerReadyRequest{}, grpc.WaitForReady(true))
		return err
	})
	return addr
}

// run is a program that has to succeed.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

package targets

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"

	"github.com/candor-gateway/candor/bench/payload"
	"github.com/candor-gateway/candor/bench/process"
)

// configs are Candor's configurations by target.
var configs = map[string]struct{ about, text string }{
	"candor": {
		"everything on, all rows accepted: evidence, policy with a threshold, breaker, an action limit that every answer counts for, " +
			"metrics, 1 % of traces into a file, hash-chained records by group commit",
		head + modelCards + `
models:
  tabular: {primary: tabular, policy: {mode: enforce, accept: {threshold: {probability: $THRESHOLD}}, actions: [{name: decline, when: {label_in: [fraud]}}]}}
  image: {primary: image, policy: {mode: enforce, accept: {threshold: {probability: $THRESHOLD}}, actions: [{name: decline, when: {label_in: [fraud]}}]}}
` + tail,
	},
	"candor-mixed": {
		"as candor, but 5 % of the rows are answered by a fallback ensemble of one member and 1 % are deferred to a review queue " +
			"(on_defer: provisional); each of these has its record durable before its answer leaves",
		head + strings.NewReplacer("model: tabular", "model: tabular-mixed", "model: image", "model: image-mixed").Replace(modelCards) + `
  tabular-second: {address: $STUB, model: tabular-second, version: "1", max_in_flight: 4096, adaptive_limit: false, card: *tabular}
  image-second: {address: $STUB, model: image-second, version: "1", max_in_flight: 4096, adaptive_limit: false, card: *image}
ensembles:
  tabular: {version: "1", quorum: 1, combiner: mean, members: [{backend: tabular-second}]}
  image: {version: "1", quorum: 1, combiner: mean, members: [{backend: image-second}]}
models:
  tabular:
    primary: tabular
    policy:
      mode: enforce
      accept: {threshold: {probability: $THRESHOLD}}
      fallback: {ensemble: tabular}
      review: {queue: desk, on_expire: reject}
      on_defer: provisional
      answers: [{output: probabilities, fill: scores}]
      actions: [{name: decline, when: {label_in: [fraud]}}]
  image:
    primary: image
    policy:
      mode: enforce
      accept: {threshold: {probability: $THRESHOLD}}
      fallback: {ensemble: image}
      review: {queue: desk, on_expire: reject}
      on_defer: provisional
      answers: [{output: probabilities, fill: scores}]
      actions: [{name: decline, when: {label_in: [fraud]}}]
queues: {desk: {description: rows that nobody is sure about}}
` + tail,
	},
	"candor-pass": {
		"the least that Candor can do: mode observe, a card without scores, no policy beyond that, no limit, no traces; " +
			"identity, breaker, metrics, the card's check and the record by group commit can't be turned off",
		head + strings.ReplaceAll(modelCards, scores, "") + `
models:
  tabular: {primary: tabular, policy: {mode: observe}}
  image: {primary: image, policy: {mode: observe}}
`,
	},
}

// Parts of the configurations. The limit is the highest that there is, over the shortest window, so that it counts every answer
// and never trips. max_in_flight is more than an open loop can have in flight, and no lower limit is measured: when the machine
// stalls for a moment, calls wait as they do in the other proxies, and are not refused.
const (
	head = `listen: {grpc: "$GRPC", http: "$HTTP"}
store: {identity: bench, sqlite: {path: $NAME.db}}
consumers: {anyone: {identity: {anonymous: true}, models: ["*"]}}
backends:
`
	scores     = `      scores: [{output: probabilities, kind: probability, labels: [good, fraud]}]` + "\n"
	modelCards = `  tabular:
    address: $STUB
    model: tabular
    version: "1"
    max_in_flight: 4096
    adaptive_limit: false
    card: &tabular
      created_at: 2026-11-01T00:00:00Z
      owner: bench
      rows: first_dim
      inputs: [{name: x, datatype: FP32, shape: [-1, 16]}]
      outputs: [{name: probabilities, datatype: FP32, shape: [-1, 2]}]
` + scores + `  image:
    address: $STUB
    model: image
    version: "1"
    max_in_flight: 4096
    adaptive_limit: false
    card: &image
      created_at: 2026-11-01T00:00:00Z
      owner: bench
      rows: first_dim
      inputs: [{name: image, datatype: FP32, shape: [-1, 3, 224, 224]}]
      outputs: [{name: probabilities, datatype: FP32, shape: [-1, 2]}]
` + scores
	tail = `
limits: {declines: {action: decline, window: 1s, max_count: 1000000}}
telemetry: {trace_file: $NAME-spans.jsonl, sample_ratio: 0.01}
`
)

// candor starts Candor with one of the configurations, on a new store.
func candor(name string) func(context.Context, *Set) (*Target, error) {
	return func(ctx context.Context, s *Set) (*Target, error) {
		http, err := process.FreeAddr()
		if err != nil {
			return nil, err
		}
		pprof := ""
		addr, p, err := s.listen(ctx, name, s.o.ProxyCore, func(addr string) ([]string, error) {
			text := strings.NewReplacer("$GRPC", addr, "$HTTP", http, "$STUB", s.stub, "$NAME", name,
				"$THRESHOLD", fmt.Sprint(payload.Threshold)).Replace(configs[name].text)
			file, err := s.write(name+".yaml", text)
			if err != nil {
				return nil, err
			}
			if out, err := exec.CommandContext(ctx, s.o.Candor, "init", "--config", file).CombinedOutput(); err != nil {
				return nil, fmt.Errorf("candor init: %w\n%s", err, bytes.TrimSpace(out))
			}
			args := []string{s.o.Candor, "serve", "--config", file}
			if s.o.Pprof {
				if pprof, err = process.FreeAddr(); err != nil {
					return nil, err
				}
				args = append(args, "--pprof", pprof)
				pprof = "http://" + pprof + "/debug/pprof"
			}
			return args, nil
		})
		return &Target{
			Addr: addr, Process: p, About: configs[name].about, Rewrites: true, Metrics: "http://" + http + "/metrics", Pprof: pprof,
		}, err
	}
}

package config

import (
	"slices"
	"strings"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func TestRestartOnly(t *testing.T) {
	const text = `
listen: {grpc: "127.0.0.1:8500", tls: {cert_file: a.crt, key_file: a.key}, drain_timeout: 10s}
store: {identity: s, sqlite: {path: a.db}}
audit: {strict: true}
telemetry: {sample_ratio: 0.1}
limits:
  n: {action: a, window: 1h, max_count: 5}
  s: {action: a, window: 1h, sum: {amount: {parameter: cents}, unit: cents, max: 7}, key: {parameter: merchant}}
  r: {action: a, window: 1h, ratio: {numerator: a, denominator: {actions: [a, b]}, max_share: 0.5, min_count: 3}}
`
	read := func(text string) *candorv1.Config {
		cfg, _ := Parse("candor.yaml", []byte(text))
		return cfg
	}
	for name, tc := range map[string]struct {
		from, to string
		want     []string
	}{
		"nothing":           {"a.db", "a.db", nil},
		"a default written": {"drain_timeout: 10s", "drain_timeout: 10s, max_connection_idle: 15m", nil},
		"an address":        {"127.0.0.1:8500", "127.0.0.1:8600", []string{"listen.grpc"}},
		"another listener":  {"drain_timeout", `http: "127.0.0.1:1", drain_timeout`, []string{"listen.http"}},
		"a duration":        {"drain_timeout: 10s", "max_connection_idle: 1m", []string{"listen.max_connection_idle"}},
		"no TLS":            {"tls: {cert_file: a.crt, key_file: a.key},", "", []string{"listen.tls"}},
		"other TLS files":   {"a.crt", "b.crt", nil},
		"the store's file":  {"a.db", "b.db", []string{"store"}},
		"another store":     {"sqlite: {path: a.db}", `postgres: {url: "postgres://h/d"}`, []string{"store"}},
		"the record queue":  {"strict: true", "queue_records: 7, max_linger: 1ms", []string{"audit.queue_records", "audit.max_linger"}},
		"how records wait":  {"strict: true", "strict: false, on_full: refuse", nil},
		"a collector":       {"sample_ratio: 0.1", `otlp_endpoint: "127.0.0.1:4317"`, []string{"telemetry.otlp_endpoint"}},
		"sampling":          {"sample_ratio: 0.1", "sample_ratio: 0.2, trace_url: \"https://t/{trace_id}\"", nil},
		"other bounds":      {"max: 7}", "max: 8}", nil},
		"another share":     {"max_share: 0.5, min_count: 3", "max_share: 0.4, min_count: 9", nil},
		"more keys":         {"{parameter: merchant}", "{parameter: merchant, max_keys: 7}", nil},
		"another limit":     {"n: {", "m: {", nil},
		"another kind":      {"max_count: 5", "sum: {amount: {parameter: cents}, unit: cents, max: 7}", []string{"limits.n.sum"}},
		"another amount":    {"{parameter: cents}", "{parameter: euros}", []string{"limits.s.sum.amount"}},
		"another scale":     {"{parameter: cents}", "{input: {name: x}, scale: 3}", []string{"limits.s.sum.amount"}},
		"another unit":      {"unit: cents", "unit: euros", []string{"limits.s.sum.unit"}},
		"another key":       {"{parameter: merchant}", "{parameter: country}", []string{"limits.s.key"}},
		"a key":             {"max_count: 5", "max_count: 5, key: {parameter: country}", []string{"limits.n.key"}},
		"another share of":  {"[a, b]", "[a]", []string{"limits.r.ratio.denominator"}},
	} {
		if got := RestartOnly(read(text), read(strings.Replace(text, tc.from, tc.to, 1))); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
	if got := RestartOnly(&candorv1.Config{}, &candorv1.Config{}); got != nil {
		t.Errorf("of nothing: %q", got)
	}
}

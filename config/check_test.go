package config

import (
	"os"
	"strings"
	"testing"
)

// edit is a change of testdata/base.yaml: the one place that says old says new.
type edit struct{ old, new string }

// base is testdata/base.yaml with edits.
func base(t testing.TB, edits ...edit) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/base.yaml")
	if err != nil {
		t.Fatal(err)
	}
	out := string(text)
	for _, e := range edits {
		if n := strings.Count(out, e.old); n != 1 {
			t.Fatalf("%q is %d times in the text, want once", e.old, n)
		}
		out = strings.Replace(out, e.old, e.new, 1)
	}
	return []byte(out)
}

func TestBaseHasNoFaults(t *testing.T) {
	if _, faults := Parse("base.yaml", base(t)); len(faults) > 0 {
		t.Fatal(faults)
	}
}

// Each case changes a faultless configuration and states all the faults that it has then, each as "field: part of what is
// said"; "warning: " before it for a warning.
func TestCheck(t *testing.T) {
	const (
		address = "backends.net.address: "
		card    = "backends.net.card."
		score   = "backends.net.card.scores[0]."
		odds    = "backends.tree.card.scores[0]."
		price   = "backends.price.card.scores[0]."
		second  = "ensembles.second."
		mail    = "models.mail.policy."
		worth   = "models.worth.policy."
	)
	netOutput := func(datatype string) edit {
		return edit{"name: label, datatype: BYTES", "name: label, datatype: " + datatype}
	}
	monitors := func(text string) edit { return edit{"mode: enforce", "mode: enforce\n      monitors: " + text} }
	conditions := func(c ...string) edit {
		return edit{"on_defer: default", "on_defer: default\n      conditions: [" + strings.Join(c, ", ") + "]"}
	}
	segments := func(s ...string) edit {
		return edit{"{threshold: {probability: 0.9}}", "{promise: {alpha: 0.05, delta: 0.05, audit: {rate: 0.1}, segments: [" + strings.Join(s, ", ") + "]}}"}
	}
	labelFill := func(answer string) edit { return edit{`{output: label, fill: label, neutral_text: ""}`, answer} }
	for _, tc := range []struct {
		name  string
		edits []edit
		want  []string
	}{
		// listen
		{"plain text for everybody", []edit{{`"127.0.0.1:0"`, `"0.0.0.0:8500"`}}, []string{"listen.grpc: plain text"}},
		{"plain text, declared", []edit{{`"127.0.0.1:0"`, `":8500", insecure: true`}}, nil},
		{"plain text on a name", []edit{{`"127.0.0.1:0"`, `"gateway:8500"`}}, []string{"listen.grpc: plain text"}},
		{"no port", []edit{{`"127.0.0.1:0"`, `localhost`}}, []string{`listen.grpc: "localhost" is not host:port`}},
		{"port too large", []edit{{`"127.0.0.1:0"`, `"[::1]:70000"`}}, []string{`listen.grpc: "70000" is not a port`}},
		{"one port for two", []edit{{`"127.0.0.1:0"`, `"127.0.0.1:80", http: "127.0.0.1:80"`}}, []string{"listen.http: is the address of grpc"}},
		{"insecure beside tls", []edit{{`"127.0.0.1:0"`, `"127.0.0.1:0", insecure: true, tls: {cert_file: c, key_file: k}`}}, []string{"warning: listen.insecure: no effect"}},
		{"collector without a port", []edit{{"queues:", "telemetry: {otlp_endpoint: collector}\nqueues:"}}, []string{"telemetry.otlp_endpoint: not host:port"}},

		// identities
		{"nobody may call", []edit{{`  web: {identity: {anonymous: true}, models: ["*"]}`, ""}}, []string{"consumers: nobody may call"}},
		{"unknown grant", []edit{{`["*"]`, "[mial]"}}, []string{`consumers.web.models[0]: there is no model "mial"; write mail`}},
		{"two anonymous consumers", []edit{{"operators:", "  app: {identity: {anonymous: true}, models: [mail]}\noperators:"}}, []string{"consumers.web.identity.anonymous: another consumer is anonymous"}},
		{"mtls without a CA", []edit{{"{anonymous: true}", "{mtls_san: web.example.com}"}}, []string{"consumers.web.identity.mtls_san: no client can present a certificate"}},
		{"same token twice", []edit{{"backends:\n", "  olu: {identity: {token_sha256: 0000000000000000000000000000000000000000000000000000000000000001}, roles: [auditor]}\nbackends:\n"}},
			[]string{"operators.olu.identity.token_sha256: operators.ana proves itself in the same way"}},
		{"token of nothing", []edit{{"{anonymous: true}", "{token_sha256: " + emptyTokenSHA256 + "}"}}, []string{"consumers.web.identity.token_sha256: digest of an empty token"}},
		{"name clash", []edit{{"  web:", "  ana:"}}, []string{"operators.ana: a consumer has the same name"}},
		{"anonymous operator at home", []edit{{"{token_sha256: 0000000000000000000000000000000000000000000000000000000000000001}", "{anonymous: true}"}}, nil},
		{"anonymous operator for everybody", []edit{
			{`"127.0.0.1:0"`, `"0.0.0.0:8500", insecure: true`},
			{"{token_sha256: 0000000000000000000000000000000000000000000000000000000000000001}", "{anonymous: true}"},
		}, []string{"operators.ana.identity.anonymous: anybody who reaches 0.0.0.0:8500 could review"}},
		{"two proofs", []edit{{"{anonymous: true}", "{anonymous: true, mtls_san: x}"}}, []string{"consumers.web.identity.mtls_san: anonymous and mtls_san exclude each other"}},
		{"anonymous: false", []edit{{"{anonymous: true}", "{anonymous: false}"}}, []string{"consumers.web.identity.anonymous: may only be true"}},

		// backends
		{"address without a port", []edit{{"localhost:8001", "localhost"}}, []string{address + "not host:port"}},
		{"address without a host", []edit{{"localhost:8001", `":8001"`}}, []string{address + "names no host"}},
		{"port 0", []edit{{"localhost:8001", "localhost:0"}}, []string{address + "port 0"}},
		{"window too short", []edit{{"model: net", "model: net\n    timeout: 20s"}}, []string{"backends.net.timeout: window 30s is too short for timeout 20s"}},
		{"hedges without a budget", []edit{{"model: net", "model: net\n    hedge: {}\n    retry: {budget: 0}"}}, []string{"backends.net.hedge: hedges draw on retry.budget, which is 0"}},
		{"no room for a message", []edit{{"listen: {", "listen: {max_in_flight_bytes: 4096, "}}, []string{"listen.max_in_flight_bytes: max_in_flight_bytes 4096 has no room for one message"}},
		{"window too short, written", []edit{{"model: net", "model: net\n    breaker: {window: 9s}"}}, []string{"backends.net.breaker.window: window 9s is too short"}},
		{"min_timeout above timeout", []edit{{"model: net", "model: net\n    timeout: 4ms"}}, []string{"backends.net.timeout: min_timeout 5ms is not below timeout 4ms"}},
		{"certificate without a key", []edit{{"model: net", "model: net\n    tls: {cert_file: c.pem}"}}, []string{"backends.net.tls: cert_file and key_file belong together"}},
		{"calibrator", []edit{{"model: net", "model: net\n    calibrator: net-beta@3"}}, nil},
		{"calibrator without a version", []edit{{"model: net", "model: net\n    calibrator: net-beta"}}, []string{`backends.net.calibrator: "net-beta" is not an artefact's name and version; write one such as fraud-beta@3`}},
		{"calibrator of a regression", []edit{{"model: price", "model: price\n    calibrator: net-beta@3"}}, []string{"backends.price.calibrator: the card has no score with labels"}},
		{"training data", []edit{{"model: net\n    version: 7\n    card:", "model: net\n    version: 7\n    card:\n      training_sha256: 0000000000000000000000000000000000000000000000000000000000000001"}}, nil},
		{"training data by name", []edit{{"model: net\n    version: 7\n    card:", "model: net\n    version: 7\n    card:\n      training_sha256: train.csv"}},
			[]string{card + "training_sha256: is not a SHA-256; write the 64 hexadecimal digits"}},
		{"unused backend", []edit{{"ensembles:\n", "  old: {address: 'localhost:1', model: m, version: 1, card: {created_at: 2026-01-01T00:00:00Z, owner: o, rows: none, inputs: [{name: x, datatype: FP32}], outputs: [{name: p, datatype: FP32}]}}\nensembles:\n"}},
			[]string{"warning: backends.old: nothing refers to it"}},

		// cards
		{"trained tomorrow", []edit{{"version: 7\n    card:\n      created_at: 2026-01-01T00:00:00Z", "version: 7\n    card:\n      created_at: 9999-01-01T00:00:00Z"}}, []string{card + "created_at: is in the future"}},
		{"unknown datatype", []edit{netOutput("STRING")}, []string{card + `outputs[1].datatype: "STRING" is not a datatype; write BYTES`}},
		{"mistyped datatype", []edit{netOutput("BYTE")}, []string{card + `outputs[1].datatype: write BYTES`}},
		{"reserved name", []edit{{"name: label, datatype", "name: candor_label, datatype"}, {"{output: label,", "{output: candor_label,"}}, []string{card + "outputs[1].name: the gateway's own"}},
		{"output twice", []edit{{"name: label, datatype: BYTES, shape: [-1]", "name: p, datatype: FP32, shape: [-1, 2]"}, labelFill("{output: lable, fill: neutral}")},
			[]string{card + `outputs[1].name: the output "p" is already given at [0]`, mail + `answers[1].output: the card has no output "lable"; write p`}},
		{"no row dimension", []edit{{"BYTES, shape: [-1]", "BYTES, shape: []"}}, []string{card + "outputs[1].shape: a tensor has a first dimension"}},
		{"fixed rows", []edit{{"BYTES, shape: [-1]", "BYTES, shape: [8]"}}, []string{"warning: " + card + "outputs[1].shape[0]: fixes a request at 8 rows"}},
		{"empty dimension", []edit{{"BYTES, shape: [-1]", "BYTES, shape: [-1, 0]"}}, []string{card + "outputs[1].shape[1]: holds nothing", mail + "answers[1].fill: has 0"}},
		{"overflow", []edit{{"[-1, 4]}\n", "[-1, 4]}\n        - {name: z, datatype: INT8, shape: [-1, 4294967296, 4294967296]}\n"}},
			[]string{card + "inputs[1].shape: more elements than can be counted", second + `members[0].backend: has no input "z"`}},
		{"image without a width", []edit{{"[-1, 4]}\n", "[-1, 4], view: gray_image}\n"}}, []string{card + "inputs[0].view: how wide the image is"}},
		{"image of a cube", []edit{{"[-1, 4]}\n", "[-1, 4, 4, 4], view: gray_image}\n"}}, []string{card + "inputs[0].view: an image has the shape", second + "members[0].backend: takes x as [-1 4]"}},
		{"image of two dimensions", []edit{{"[-1, 4]}\n", "[-1, 2, 2], view: gray_image}\n"}, {"[-1, 4]} # the tree's", "[-1, 2, 2]}"}}, nil},
		{"numbers as a picture", []edit{{"[-1, 4]}\n", "[-1, 4], view: image}\n"}}, []string{card + "inputs[0].view: only BYTES can hold an encoded picture; write gray_image"}},
		{"numbers as a document", []edit{{"[-1, 4]}\n", "[-1, 4], view: json}\n"}}, []string{card + "inputs[0].view: only BYTES can hold a JSON document"}},
		{"pixels in text", []edit{{"datatype: FP32, shape: [-1, 4]}\n", "datatype: BYTES, shape: [-1, 4], view: gray_image, image_width: 2}\n"}, {"datatype: FP32, shape: [-1, 4]} # the tree's", "datatype: BYTES, shape: [-1, 4]}"}},
			[]string{card + "inputs[0].view: BYTES can't be shown as pixels; write image"}},
		{"pictures and documents", []edit{{"datatype: FP32, shape: [-1, 4]}\n", "datatype: BYTES, shape: [-1, 1], view: image}\n        - {name: meta, datatype: BYTES, shape: [-1], view: json}\n"}, {"datatype: FP32, shape: [-1, 4]} # the tree's", "datatype: BYTES, shape: [-1, 1]}\n        - {name: meta, datatype: BYTES, shape: [-1]}"}}, nil},
		{"numbers as text", []edit{{"[-1, 4]}\n", "[-1, 4], view: text}\n"}}, []string{card + "inputs[0].view: only BYTES can be shown as text"}},
		{"features upside down", []edit{{"[-1, 4]}\n", "[-1, 4], features: [{name: a, typical_min: 2, typical_max: 1}, {name: b}, {name: c}, {}]}\n"}}, []string{card + "inputs[0].features[0]: typical_min is above", card + "inputs[0].features[3]: has no name"}},
		{"one row that is shared", []edit{{"{name: y, datatype: FP64, shape: [3]}", "{name: y, datatype: FP64, shape: [3], shared: true}"}}, []string{"warning: backends.price.card.inputs[0].shared: has no effect"}},
		{"image of odd lines", []edit{{"[-1, 4]}\n", "[-1, 4], view: gray_image, image_width: 3}\n"}}, []string{card + "inputs[0].image_width: 4 numbers make no lines of 3"}},
		{"features miscounted", []edit{{"[-1, 4]}\n", "[-1, 4], features: [{name: a}, {name: a}]}\n"}}, []string{card + "inputs[0].features: names 2 features, but a row has 4", card + `inputs[0].features[1].name: already given`}},
		{"all inputs shared", []edit{{"[-1, 4]}\n", "[4], shared: true}\n"}, {"[-1, 4]} # the tree's", "[4], shared: true}"}}, []string{card + "inputs: all inputs are shared", "backends.tree.card.inputs: all inputs are shared"}},

		// scores
		{"score of bytes", []edit{{"{output: p, kind", "{output: label, kind"}, {"- {output: p, fill: scores}", "- {output: p, fill: neutral}"}},
			[]string{score + "output: label holds BYTES, and a score is a floating-point number"}},
		{"no labels", []edit{{"labels: [ham, spam]} # the tree's", "labels: []}"}}, []string{"backends.tree.card.scores[0]: has no labels", second + "members[0].backend: its labels [] are not"}},
		{"one label", []edit{{"labels: [ham, spam]}\n", "labels: [ham]}\n"}}, []string{score + "labels: one label", second + "members[0].backend: its labels", second + `remedial.constant_label: "spam" is none`, mail + "actions[0].when.label_in[0]: none of the labels"}},
		{"empty label", []edit{{"labels: [ham, spam]}\n", "labels: ['', spam]}\n"}}, []string{score + "labels[0]: the label is empty", second + "members[0].backend: its labels", mail + "review.default_label: none of the labels"}},
		{"one number for three labels", []edit{{"datatype: FP32, shape: [-1, 2]", "datatype: FP32, shape: [-1]"}, {"labels: [ham, spam]}\n", "labels: [ham, spam, eggs]}\n"}}, []string{score + "labels: one number is about 2 labels, not 3", second + "members[0].backend: its labels"}},
		{"one number for two labels", []edit{{"datatype: FP32, shape: [-1, 2]", "datatype: FP32, shape: [-1]"}}, nil},
		{"label twice", []edit{{"labels: [ham, spam]}\n", "labels: [spam, spam]}\n"}},
			[]string{score + `labels[1]: the label "spam" is already given at [0]`, second + "members[0].backend: its labels", mail + `review.default_label: "ham" is none of the labels`}},
		{"labels miscounted", []edit{{"datatype: FP32, shape: [-1, 2]", "datatype: FP32, shape: [-1, 3]"}}, []string{score + "labels: names 2 labels, but a row of p has 3"}},
		{"log-odds of three", []edit{{"labels: [ham, spam]} # the tree's", "labels: [ham, spam, eggs]}"}}, []string{odds + "labels: log-odds are about 2 labels, not 3", second + "members[0].backend: its labels"}},
		{"log-odds of a vector", []edit{{"kind: probability", "kind: log_odds"}}, []string{score + "kind: log-odds are one number, but a row of p has 2"}},
		{"regression without a unit", []edit{{"{unit: EUR, ", "{"}}, []string{price + "regression.unit: is missing"}},
		{"half an interval", []edit{{"upper_output: hi, ", ""}}, []string{price + "regression: lower_output and upper_output belong together", worth + "accept: names no interval"}},
		{"interval in an unknown output", []edit{{"upper_output: hi", "upper_output: high"}}, []string{price + `regression.upper_output: the card has no output "high"; write hi`}},
		{"range upside down", []edit{{"min: 0, max: 10", "min: 10, max: 0"}}, []string{price + "regression.max: is 0, not above min 10"}},
		{"regression of a classifier", []edit{{"{output: p, kind: probability", "{regression: {unit: EUR}, output: p, kind: probability"}}, []string{score + "regression: a probability is no regression"}},

		{"score of integers", []edit{{"name: v, datatype: FP64", "name: v, datatype: INT64"}}, []string{price + "output: v holds INT64", worth + "answers: holds when a row is withheld"}},
		{"tolerance of a regression", []edit{{"kind: regression", "kind: regression\n          sum_tolerance: 0.1"}}, []string{price + "sum_tolerance: no probabilities"}},
		{"bound that is the value", []edit{{"lower_output: lo", "lower_output: v"}}, []string{price + "regression.lower_output: is the output with the value itself"}},
		{"one bound twice", []edit{{"lower_output: lo", "lower_output: hi"}}, []string{price + "regression.upper_output: is the same output as lower_output"}},

		// ensembles
		{"unknown member", []edit{{"[{backend: tree}]", "[{backend: tree}, {backend: tre}]"}}, []string{second + `members[1].backend: there is no backend "tre"; write tree`}},
		{"member twice", []edit{{"[{backend: tree}]", "[{backend: tree}, {backend: tree}]"}}, []string{second + `members[1].backend: the member "tree" is already given`}},
		{"quorum too large", []edit{{"quorum: 1", "quorum: 2"}}, []string{second + "quorum: 1 members can't make a quorum of 2"}},
		{"regression as a member", []edit{{"[{backend: tree}]", "[{backend: tree}, {backend: price}]"}}, []string{second + "members[1].backend: no class probabilities", second + "members[1].backend: has rows: none"}},
		{"other labels", []edit{{"labels: [ham, spam]} # the tree's", "labels: [spam, ham]}"}}, []string{second + "members[0].backend: its labels"}},
		{"members that differ", []edit{{"labels: [ham, spam]} # the tree's", "labels: [ham, eggs]}"}, {"[{backend: tree}]", "[{backend: net}, {backend: tree}]"}},
			[]string{second + "members[1].backend: are not those of net", second + "members[1].backend: are not those of the primary of models.mail"}},
		{"other inputs", []edit{{"[-1, 4]} # the tree's", "[-1, 5]}"}}, []string{second + "members[0].backend: takes x as [-1 5]"}},
		{"other datatype", []edit{{"name: x, datatype: FP32, shape: [-1, 4]} # the tree's", "name: x, datatype: FP64, shape: [-1, 4]}"}}, []string{second + "members[0].backend: takes x as FP64"}},
		{"other input names", []edit{{"name: x, datatype: FP32, shape: [-1, 4]} # the tree's", "name: z, datatype: FP32, shape: [-1, 4]}"}},
			[]string{second + `members[0].backend: has no input "x"`, second + `members[0].backend: wants the input "z"`}},
		{"the primary alone", []edit{{"[{backend: tree}]", "[{backend: net}]"}}, []string{"warning: backends.tree: nothing refers", second + "members[0].backend: the same answer"}},
		{"unknown remedial", []edit{{"{constant_label: spam}", "{backend: trees}"}}, []string{second + `remedial.backend: there is no backend "trees"; write tree`}},
		{"remedial is the primary", []edit{{"{constant_label: spam}", "{backend: net}"}}, []string{"warning: " + second + "remedial.backend: is the primary of models.mail"}},
		{"unknown constant", []edit{{"{constant_label: spam}", "{constant_label: span}"}}, []string{second + `remedial.constant_label: "span" is none of the labels; write spam`}},
		{"no remedial stage", []edit{{"{constant_label: spam}", "{}"}}, []string{second + "remedial: nothing is chosen; add backend, constant_label, constant_value or rule"}},
		{"member outlasts its backend", []edit{{"[{backend: tree}]", "[{backend: tree, timeout: 6s}]"}}, []string{"warning: " + second + "members[0].timeout: an attempt ends after 5s"}},
		{"unused ensemble", []edit{{"      fallback: {ensemble: second}\n", ""}}, []string{"warning: ensembles.second: nothing refers to it"}},
		{"regression with a fallback", []edit{{"interval_scale: 5", "interval_scale: 5\n      fallback: {ensemble: second}\n      answers: [{output: v, fill: value}, {output: lo, fill: neutral}, {output: hi, fill: neutral}]"}},
			[]string{worth + "fallback.ensemble: the primary is a regression"}},

		// monitors
		{"monitors", []edit{monitors("{min_rows: 1000, psi: 0.1, false_alerts: 0.01, max_fallback_share: 0.2}")}, nil},
		{"monitors out of range", []edit{monitors("{min_rows: 49, psi: 0, false_alerts: 1, max_fallback_share: 1.5}")},
			[]string{mail + "monitors.min_rows: 49 is out of range", mail + "monitors.psi: 0 is out of range", mail + "monitors.false_alerts: 1 is out of range", mail + "monitors.max_fallback_share: 1.5 is out of range"}},
		{"few rows to watch", []edit{monitors("{min_rows: 50}")}, []string{"warning: " + mail + "monitors.min_rows: 50 rows have a stability index of about 0.36 by chance, above psi 0.2; write at least 90"}},
		{"a low index of the default rows", []edit{monitors("{psi: 0.01}")}, []string{"warning: " + mail + "monitors.psi: 500 rows have a stability index of about 0.036 by chance, above psi 0.01; write at least 0.036"}},
		{"few rows, and nobody looks", []edit{monitors("{min_rows: 50, off: true}")}, nil},

		// models
		{"unknown primary", []edit{{"primary: net", "primary: nets"}}, []string{`models.mail.primary: there is no backend "nets"; write net`, "warning: backends.net: nothing refers"}},
		{"unknown ensemble", []edit{{"{ensemble: second}", "{ensemble: third}"}}, []string{mail + `fallback.ensemble: there is no ensemble "third"`, "warning: ensembles.second: nothing"}},
		{"unknown queue", []edit{{"{queue: desk,", "{queue: desks,"}}, []string{mail + `review.queue: there is no queue "desks"; write desk`, "warning: queues.desk: nothing"}},
		{"accepts nothing", []edit{{"      accept: {threshold: {probability: 0.9}}\n", ""}}, []string{"warning: models.mail.policy: nothing will ever be accepted"}},
		{"observe without confidence", []edit{{"      accept: {threshold: {interval_width: 2}}\n", ""}}, []string{"warning: models.worth.policy: nothing will ever be accepted"}},
		{"margin against max_prob", []edit{{"{probability: 0.9}", "{margin: 0.9}"}}, []string{mail + "accept.threshold.margin: can't be compared with confidence: max_prob; write probability"}},
		{"probability against margin", []edit{{"mode: enforce", "mode: enforce\n      confidence: margin"}}, []string{mail + "accept.threshold.probability: write margin"}},
		{"entropy", []edit{{"mode: enforce", "mode: enforce\n      confidence: entropy"}, {"{probability: 0.9}", "{normalized_entropy: 0.3}"}}, nil},
		{"log-odds against probability", []edit{{"{probability: 0.9}", "{log_odds: 3}"}}, []string{mail + "accept.threshold.log_odds: can't be compared with a probability score"}},
		{"threshold for the fallback", []edit{{"{ensemble: second}", "{ensemble: second, threshold: {margin: 0.2}}"}}, []string{mail + "fallback.threshold.margin: write probability"}},
		{"never binds", []edit{{"{probability: 0.9}", "{probability: 0.5}"}}, []string{"warning: " + mail + "accept.threshold.probability: it can never bind: the top of 2 labels"}},
		{"never binds on margin", []edit{{"mode: enforce", "mode: enforce\n      confidence: margin"}, {"{probability: 0.9}", "{margin: 0}"}}, []string{"warning: " + mail + "accept.threshold.margin: it can never bind"}},
		{"never binds on entropy", []edit{{"mode: enforce", "mode: enforce\n      confidence: entropy"}, {"{probability: 0.9}", "{normalized_entropy: 1}"}}, []string{"warning: " + mail + "accept.threshold.normalized_entropy: it can never bind"}},
		{"max_prob of a regression", []edit{{"interval_scale: 5", "interval_scale: 5\n      confidence: max_prob"}}, []string{worth + "confidence: max_prob needs class probabilities"}},
		{"width of a classifier", []edit{{"mode: enforce", "mode: enforce\n      confidence: interval_width"}}, []string{mail + "confidence: interval_width needs a regression"}},
		{"no scale", []edit{{"      interval_scale: 5\n", ""}}, []string{worth + "interval_scale: is missing"}},
		{"scale for nothing", []edit{{"mode: enforce", "mode: enforce\n      interval_scale: 1"}}, []string{"warning: " + mail + "interval_scale: has no effect"}},
		{"every width accepted", []edit{{"{interval_width: 2}", "{interval_width: 5}"}}, []string{worth + "accept.threshold.interval_width: every row would be accepted"}},
		{"no interval", []edit{{"lower_output: lo, upper_output: hi, coverage: 0.9, ", ""}}, []string{worth + "accept: names no interval"}},
		{"no score", []edit{{"        - {output: odds, kind: log_odds, labels: [ham, spam]} # the tree's\n", ""}, {"      scores:\n  price", "  price"}}, []string{second + "members[0].backend: declares no score"}},
		{"nowhere to go", []edit{
			{"      fallback: {ensemble: second}\n      review: {queue: desk, default_label: ham}\n      on_defer: default\n", ""},
			{"  desk: {reviewers: [ana]}", ""}, {"max_count: 10", "max_count: 10, on_trip: reject"},
		}, []string{"warning: models.mail.policy: rows that are not sure enough are rejected", "warning: ensembles.second: nothing"}},

		{"version of any length", []edit{{"version: 7", "version: v" + strings.Repeat("7", 64)}}, []string{"backends.net.version: is too long; write at most 64 bytes"}},

		// review
		{"default without a label", []edit{{", default_label: ham}", "}"}}, []string{mail + "on_defer: there is no default answer; add review.default_label"}},
		{"expiry without a label", []edit{{", default_label: ham}", ", on_expire: default}"}, {"on_defer: default", "on_defer: provisional"}}, []string{mail + "review.on_expire: there is no default answer"}},
		{"default is no label", []edit{{"default_label: ham", "default_label: hma"}}, []string{mail + `review.default_label: "hma" is none of the labels; write ham`}},
		{"value for a classifier", []edit{{"default_label: ham", "default_value: 1"}}, []string{mail + "review.default_value: its answers are labels"}},
		{"label for a regression", []edit{{"interval_scale: 5", "interval_scale: 5\n      review: {queue: desk, default_label: ham}\n      answers: [{output: v, fill: value}, {output: lo, fill: neutral}, {output: hi, fill: neutral}]"}},
			[]string{worth + "review.default_label: its answers are values; write default_value"}},
		{"value for a regression", []edit{{"interval_scale: 5", "interval_scale: 5\n      on_defer: default\n      review: {queue: desk, default_value: 7}\n      answers: [{output: v, fill: value}, {output: lo, fill: neutral}, {output: hi, fill: neutral}]"}}, nil},
		{"value out of range", []edit{{"interval_scale: 5", "interval_scale: 5\n      review: {queue: desk, default_value: 70}\n      answers: [{output: v, fill: value}, {output: lo, fill: neutral}, {output: hi, fill: neutral}]"}},
			[]string{worth + "review.default_value: 70 is outside of the range"}},
		{"value that a float can't hold", []edit{{"name: v, datatype: FP64", "name: v, datatype: FP32"}, {"interval_scale: 5", "interval_scale: 5\n      review: {queue: desk, default_value: 1.0e+39}\n      answers: [{output: v, fill: value}, {output: lo, fill: neutral}, {output: hi, fill: neutral}]"}},
			[]string{worth + "review.default_value: FP32 can't hold 1e+39"}},
		{"value in a bound", []edit{{"interval_scale: 5", "interval_scale: 5\n      review: {queue: desk}\n      answers: [{output: v, fill: value}, {output: lo, fill: value}, {output: hi, fill: neutral}]"}},
			[]string{worth + "answers[1].fill: lo bounds the interval"}},
		{"value that is no number", []edit{{"interval_scale: 5", "interval_scale: 5\n      review: {queue: desk, default_value: .nan}\n      answers: [{output: v, fill: value}, {output: lo, fill: neutral}, {output: hi, fill: neutral}]"}},
			[]string{worth + "review.default_value: is not a number"}},
		{"fallback at expiry without one", []edit{{"      fallback: {ensemble: second}\n", ""}, {"default_label: ham", "default_label: ham, on_expire: fallback"}},
			[]string{mail + "review.on_expire: the policy has no fallback", "warning: ensembles.second: nothing"}},
		{"batches fail", []edit{{"on_defer: default", "on_defer: withhold"}}, []string{"warning: " + mail + "on_defer: deferring 1 % of the rows fails 92 % of such calls of 256 rows"}},
		{"on_defer without review", []edit{{"interval_scale: 5", "interval_scale: 5\n      on_defer: provisional"}}, []string{"warning: " + worth + "on_defer: has no effect"}},

		// answers
		{"gap", []edit{{"        - {output: p, fill: scores}\n", ""}}, []string{mail + `answers: the output "p" is filled from an answer that is not the primary's; add {output: p, fill: scores}`}},
		{"answer twice", []edit{labelFill("{output: p, fill: scores}")}, []string{mail + `answers[1].output: the output "p" is already given`, mail + `answers: the output "label" is filled`}},
		{"unknown output", []edit{labelFill(`{output: labl, fill: label, neutral_text: ""}`)}, []string{mail + `answers[1].output: the card has no output "labl"; write label`, mail + `answers: the output "label"`}},
		{"no neutral text", []edit{labelFill("{output: label, fill: label}")}, []string{mail + "answers[1]: nothing says what a withheld row holds"}},
		{"number for text", []edit{labelFill("{output: label, fill: label, neutral: 1}")}, []string{mail + "answers[1].neutral: the output is BYTES"}},
		{"label of a number", []edit{netOutput("INT32"), labelFill("{output: label, fill: label, neutral: -1}")}, []string{mail + "answers[1].fill: a label is BYTES, and label is INT32"}},
		{"index of text", []edit{labelFill(`{output: label, fill: label_index, neutral_text: ""}`)}, []string{mail + "answers[1].fill: a label's index is a number"}},
		{"index", []edit{netOutput("UINT8"), labelFill("{output: label, fill: label_index, neutral: 255}")}, nil},
		{"neutral out of range", []edit{netOutput("UINT8"), labelFill("{output: label, fill: label_index, neutral: -1}")}, []string{mail + "answers[1].neutral: UINT8 can't hold -1; write a whole number from 0 to 255"}},
		{"neutral with a fraction", []edit{netOutput("INT8"), labelFill("{output: label, fill: neutral, neutral: 0.5}")}, []string{mail + "answers[1].neutral: INT8 can't hold 0.5"}},
		{"neutral missing", []edit{netOutput("BOOL"), labelFill("{output: label, fill: neutral}")}, []string{mail + "answers[1]: BOOL has no NaN"}},
		{"neutral that a float can't hold", []edit{{"{output: p, fill: scores}", "{output: p, fill: scores, neutral: 1.0e+39}"}}, []string{mail + "answers[0].neutral: FP32 can't hold 1e+39"}},
		{"text for a float", []edit{{"{output: p, fill: scores}", `{output: p, fill: scores, neutral_text: ""}`}}, []string{mail + "answers[0].neutral_text: the output is FP32"}},
		{"scores of an open shape", []edit{{"datatype: FP32, shape: [-1, 2]", "datatype: FP32, shape: [-1, -1, -1]"}}, []string{mail + "answers[0].fill: has 2 dimensions of any size"}},
		{"scores elsewhere", []edit{labelFill(`{output: label, fill: scores, neutral_text: ""}`)}, []string{mail + "answers[1].fill: scores fill the output that the card's score is in, p"}},
		{"value of a classifier", []edit{{"{output: p, fill: scores}", "{output: p, fill: value}"}}, []string{mail + "answers[0].fill: only a regression's answer is a value"}},
		{"scores of a regression", []edit{{"interval_scale: 5", "interval_scale: 5\n      answers: [{output: v, fill: scores}]"}}, []string{worth + "answers[0].fill: it has no scores"}},
		{"label for a vector", []edit{{"{output: p, fill: scores}", "{output: p, fill: label_index}"}}, []string{mail + "answers[0].fill: label_index is one element for each row, and p has 2"}},

		// actions and limits
		{"unknown label", []edit{{"{label_in: [spam]}", "{label_in: [spam, spma]}"}}, []string{mail + `actions[0].when.label_in[1]: "spma" is none of the labels; write spam`}},
		{"no condition", []edit{{"{label_in: [spam]}", "{}"}}, []string{mail + "actions[0].when: there is no condition; add label_in"}},
		{"value of a label", []edit{{"{label_in: [spam]}", "{above: 0.5}"}}, []string{mail + "actions[0].when.above: only a regression's value"}},
		{"label of a value", []edit{{"{above: 3}", "{label_in: [dear]}"}}, []string{worth + "actions[0].when.label_in: a regression has no labels"}},
		{"nothing between", []edit{{"{above: 3}", "{above: 3, below: 2}"}}, []string{worth + "actions[0].when.below: no value is above 3 and below 2"}},
		{"other output", []edit{{"{above: 3}", "{above: 3, output: lo}"}}, []string{worth + `actions[0].when.output: write v`}},
		{"action twice", []edit{{"{label_in: [spam]}}", "{label_in: [spam]}}\n        - {name: quarantine, when: {label_in: [ham]}}"}}, []string{mail + `actions[1].name: the action "quarantine" is already given`}},
		{"action never reached", []edit{{"{label_in: [spam]}}", "{label_in: [spam]}}\n        - {name: drop, when: {label_in: [spam]}}"}}, []string{"warning: " + mail + `actions[1].when.label_in: already means "quarantine"`}},
		{"unknown action", []edit{{"{action: quarantine,", "{action: quarantin,"}}, []string{`limits.stop.action: no model declares the action "quarantin"; write quarantine`}},
		{"action of another model", []edit{{"{action: quarantine,", "{action: quarantine, model: worth,"}}, []string{"limits.stop.action: models.worth declares no action"}},
		{"unknown model of a limit", []edit{{"{action: quarantine,", "{action: quarantine, model: mial,"}}, []string{`limits.stop.model: there is no model "mial"; write mail`}},
		{"unknown consumer", []edit{{"{action: quarantine,", "{action: quarantine, consumer: wbe,"}}, []string{`limits.stop.consumer: there is no consumer "wbe"; write web`}},
		{"a sum", []edit{{"max_count: 10", "sum: {amount: {parameter: cents}, unit: EUR cents, max: 1000000000000000}"}}, nil},
		{"a sum of a column", []edit{{"max_count: 10", "sum: {amount: {input: {name: x, column: 3}, scale: 0.5}, unit: l, max: 1}"}}, nil},
		{"a sum without its unit", []edit{{"max_count: 10", "sum: {amount: {parameter: cents}, max: 10}"}}, []string{"limits.stop.sum.unit: is missing"}},
		{"a blank unit", []edit{{"max_count: 10", "sum: {amount: {parameter: cents}, unit: ' ', max: 10}"}}, []string{"limits.stop.sum.unit: is blank"}},
		{"a sum of nothing", []edit{{"max_count: 10", "sum: {unit: EUR, max: 10}"}}, []string{"limits.stop.sum.amount: is missing"}},
		{"an amount from nowhere", []edit{{"max_count: 10", "sum: {amount: {scale: 2}, unit: EUR, max: 10}"}}, []string{"limits.stop.sum.amount: nothing is chosen; add input or parameter"}},
		{"an amount from both", []edit{{"max_count: 10", "sum: {amount: {parameter: a, input: {name: x}}, unit: EUR, max: 10}"}}, []string{"limits.stop.sum.amount.input: parameter and input exclude each other"}},
		{"a scaled parameter", []edit{{"max_count: 10", "sum: {amount: {parameter: cents, scale: 100}, unit: EUR, max: 10}"}}, []string{"limits.stop.sum.amount.scale: a parameter is in whole units already"}},
		{"a parameter of ours", []edit{{"max_count: 10", "sum: {amount: {parameter: candor_cents}, unit: EUR, max: 10}"}}, []string{"limits.stop.sum.amount.parameter: names that begin with candor_"}},
		{"an input that isn't declared", []edit{{"max_count: 10", "sum: {amount: {input: {name: xs}}, unit: EUR, max: 10}"}}, []string{`limits.stop.sum.amount.input.name: the card of models.mail's primary declares no input "xs"; write x`}},
		{"a column that isn't there", []edit{{"max_count: 10", "sum: {amount: {input: {name: x, column: 4}}, unit: EUR, max: 10}"}}, []string{`limits.stop.sum.amount.input.column: the input "x" of models.mail has 4 elements in a row; write 0 to 3`}},
		{"a column of one number", []edit{{"{action: quarantine,", "{action: buy, on_trip: reject,"}, {"max_count: 10", "sum: {amount: {input: {name: y, column: 3}}, unit: EUR, max: 10}"}}, []string{`limits.stop.sum.amount.input.column: the input "y" of models.worth has 3 elements`}},
		{"a sum above all", []edit{{"max_count: 10", "sum: {amount: {parameter: a}, unit: EUR, max: 1000000000000001}"}}, []string{"limits.stop.sum.max: 1000000000000001 is out of range"}},
		{"two kinds at once", []edit{{"max_count: 10", "max_count: 10, sum: {amount: {parameter: a}, unit: EUR, max: 10}"}}, []string{"limits.stop.sum: max_count and sum exclude each other"}},
		{"no kind", []edit{{", max_count: 10", ""}}, []string{"limits.stop: nothing is chosen; add max_count, ratio or sum"}},
		{"a key", []edit{{"max_count: 10", "max_count: 10, key: {parameter: merchant}"}}, nil},
		{"a key of a fraction", []edit{{"max_count: 10", "max_count: 10, key: {input: {name: x, column: 1}}"}}, []string{`limits.stop.key.input.name: the input "x" of models.mail is FP32; name an input of integers or BYTES`}},
		{"too many keys", []edit{{"max_count: 10", "max_count: 10, key: {parameter: merchant, max_keys: 100001}"}}, []string{"limits.stop.key.max_keys: 100001 is out of range"}},
		{"a key from nowhere", []edit{{"max_count: 10", "max_count: 10, key: {max_keys: 5}"}}, []string{"limits.stop.key: nothing is chosen; add input or parameter"}},
		{"a ratio", []edit{{"max_count: 10", "ratio: {numerator: quarantine, denominator: {every_answer: true}, max_share: 0.05, min_count: 20}"}}, nil},
		{"a ratio of another action", []edit{{"max_count: 10", "ratio: {numerator: buy, denominator: {actions: [quarantine]}, max_share: 0.5, min_count: 2}"}}, []string{`limits.stop.ratio.numerator: is "buy", and the limit's action is "quarantine": only that is withheld; write quarantine`}},
		{"a ratio without numerator", []edit{{"max_count: 10", "ratio: {denominator: {every_answer: true}, max_share: 0.5, min_count: 2}"}}, []string{"limits.stop.ratio.numerator: is missing"}},
		{"a ratio without denominator", []edit{{"max_count: 10", "ratio: {numerator: quarantine, max_share: 0.5, min_count: 2}"}}, []string{"limits.stop.ratio.denominator: is missing"}},
		{"a share of nothing", []edit{{"max_count: 10", "ratio: {numerator: quarantine, denominator: {}, max_share: 0.5, min_count: 2}"}}, []string{"limits.stop.ratio.denominator: nothing says what the share is of"}},
		{"a share of two things", []edit{{"max_count: 10", "ratio: {numerator: quarantine, denominator: {actions: [buy], every_answer: true}, max_share: 0.5, min_count: 2}"}}, []string{"limits.stop.ratio.denominator.every_answer: actions and every_answer exclude each other"}},
		{"a share of what nobody does", []edit{{"max_count: 10", "ratio: {numerator: quarantine, denominator: {actions: [bye]}, max_share: 0.5, min_count: 2}"}}, []string{`limits.stop.ratio.denominator.actions[0]: no model declares the action "bye"; write buy`}},
		{"a share of one", []edit{{"max_count: 10", "ratio: {numerator: quarantine, denominator: {every_answer: true}, max_share: 1, min_count: 2}"}}, []string{"limits.stop.ratio.max_share: write a number above 0 and below 1"}},
		{"a share of none", []edit{{"max_count: 10", "ratio: {numerator: quarantine, denominator: {every_answer: true}, max_share: 1e-9, min_count: 2}"}}, []string{"limits.stop.ratio.max_share: is less than one in a million"}},
		{"a share that lets nothing pass", []edit{{"max_count: 10", "ratio: {numerator: quarantine, denominator: {every_answer: true}, max_share: 0.03, min_count: 30}"}}, []string{"warning: limits.stop.ratio.min_count: none is released until there are 34"}},
		{"trip without review", []edit{{"{action: quarantine,", "{action: buy,"}}, []string{"warning: limits.stop.on_trip: models.worth has no review"}},
		{"webhook by mail", []edit{{"max_count: 10", "max_count: 10, webhook: 'mailto:a@example.com'"}}, []string{"limits.stop.webhook: is not an http or https URL"}},
		{"window of a year", []edit{{"window: 10m", "window: 8760h"}}, []string{"limits.stop.window: is out of range; write a duration of at least 1s and at most 744h0m0s"}},

		// queues
		{"unknown reviewer", []edit{{"[ana]", "[anna]"}}, []string{`queues.desk.reviewers[0]: there is no operator "anna"; write ana`}},
		{"reviewer without the role", []edit{{"roles: [reviewer, operator]", "roles: [operator]"}}, []string{"queues.desk.reviewers[0]: operators.ana has not the role reviewer", "warning: queues: nobody may review"}},
		// conditions
		{"conditions", []edit{conditions(`{name: a, when: "params.amount > 1000", route: defer}`, `{name: b, when: "evidence.confidence < 0.5 && card.age > duration('24h')", route: fallback}`)}, nil},
		{"a condition that doesn't parse", []edit{conditions(`{name: a, when: "params.amount >", route: defer}`)}, []string{mail + "conditions[0].when: character 16: Syntax error"}},
		{"an unknown name", []edit{conditions(`{name: a, when: "row == 1", route: defer}`, `{name: b, when: "row == 1 && parms.amount > 1000", route: defer}`)},
			[]string{mail + `conditions[1].when: character 13: there is no name or function "parms" here; write params`}},
		{"an unknown field", []edit{conditions(`{name: a, when: "evidence.confidnce < 0.5", route: defer}`)}, []string{mail + `conditions[0].when: character 9: there is no field "confidnce"; write confidence`}},
		{"a condition that is none", []edit{conditions(`{name: a, when: "params.amount", route: defer}`)}, []string{mail + "conditions[0].when: its result is of type dyn, not bool"}},
		{"a condition of another type", []edit{conditions(`{name: a, when: "evidence.label > 0.5", route: defer}`)}, []string{mail + "conditions[0].when: character 16: > takes no (string, double)"}},
		{"a condition that is too dear", []edit{conditions(`{name: a, when: "params.exists(a, params.exists(b, params[a] == params[b]))", route: defer}`)}, []string{mail + "conditions[0].when: and the limit is 10000"}},
		{"a condition in two lines", []edit{conditions("{name: a, when: \"true &&\\n  rwo == 1\", route: defer}")}, []string{mail + `conditions[0].when: line 2, character 3: there is no name or function "rwo" here; write row`}},
		{"an empty condition", []edit{conditions(`{name: a, when: "", route: defer}`)}, []string{mail + "conditions[0].when: is empty"}},
		{"a blank condition", []edit{conditions(`{name: a, when: " ", route: defer}`)}, []string{mail + "conditions[0].when: is empty"}},
		{"a condition that is too long", []edit{conditions(`{name: a, when: "` + strings.Repeat("true && ", 600) + `true", route: defer}`)}, []string{mail + "conditions[0].when: has 4804 characters, more than 4096"}},
		{"conditions of one name", []edit{conditions(`{name: a, when: "true", route: defer}`, `{name: a, when: "false", route: reject}`)}, []string{mail + `conditions[1].name: the condition "a" is already given at [0]`}},
		{"a condition that accepts", []edit{conditions(`{name: a, when: "true", route: accept}`)}, []string{mail + "conditions[0].route: can't be accept; write defer, fallback or reject"}},
		{"a condition without a route", []edit{conditions(`{name: a, when: "true"}`)}, []string{mail + "conditions[0].route: is missing"}},
		{"a condition that defers to nobody", []edit{{"interval_scale: 5", "interval_scale: 5\n      conditions: [{name: a, when: 'true', route: defer}, {name: b, when: 'true', route: fallback}, {name: c, when: 'true', route: reject}]"}},
			[]string{worth + "conditions[0].route: no review queue to defer to", worth + "conditions[1].route: no fallback, and no review queue"}},
		{"a condition for no fallback", []edit{conditions(`{name: a, when: "true", route: fallback}`), {"fallback: {ensemble: second}", ""}},
			[]string{"warning: " + mail + "conditions[0].route: no fallback: the row goes to review", "warning: ensembles.second: nothing refers to it"}},

		// segments
		{"segments", []edit{segments(`{name: big, when: "params.amount > 1000"}`, `{name: web, when: "consumer == 'web'"}`)}, nil},
		{"a segment by the answer", []edit{segments(`{name: big, when: "evidence.confidence > 0.5"}`)}, []string{mail + `accept.promise.segments[0].when: character 1: there is no name or function "evidence" here`}},
		{"segments of one name", []edit{segments(`{name: big, when: "true"}`, `{name: big, when: "false"}`)}, []string{mail + `accept.promise.segments[1].name: the segment "big" is already given`}},
		{"a segment called rest", []edit{segments(`{name: rest, when: "true"}`)}, []string{mail + "accept.promise.segments[0].name: the rows that no segment matches"}},

		// rules
		{"a rule", []edit{{"{constant_label: spam}", `{rule: "inputs.x[0] > 1.0 ? 'spam' : ''"}`}}, nil},
		{"a rule without a label", []edit{{"{constant_label: spam}", `{rule: "inputs.x[0] > 1.0"}`}}, []string{second + "remedial.rule: its result is of type bool, not string"}},
		{"a rule on what isn't there", []edit{{"{constant_label: spam}", `{rule: "inputs.z[0] > 1.0 ? 'spam' : ''"}`}}, []string{second + `remedial.rule: the primary of models.mail has no input "z"; write x`}},
		{"an empty rule", []edit{{"{constant_label: spam}", `{rule: ""}`}}, []string{second + "remedial.rule: is empty"}},

		// dialects
		{"an unknown dialect", []edit{{"model: tree", "model: tree\n    dialect: tritn"}}, []string{`backends.tree.dialect: unknown value "tritn"; write triton`}},
		{"every dialect", []edit{{"model: net", "model: net\n    dialect: torchserve"}, {"model: tree", "model: tree\n    dialect: seldon"}, {"model: price", "model: price\n    dialect: dynamo"}}, nil},
		{"a consumer's dialect", []edit{{`models: ["*"]`, `models: ["*"], dialect: aissemble, contents: typed`}}, nil},
		{"unknown contents", []edit{{`models: ["*"]`, `models: ["*"], contents: both`}}, []string{`consumers.web.contents: unknown value "both"`}},
		{"typed contents for Triton's client", []edit{{`models: ["*"]`, `models: ["*"], dialect: triton, contents: typed`}}, []string{"warning: consumers.web.contents: clients of dialect triton read raw contents only"}},
		{"raw contents for TorchServe's client", []edit{{`models: ["*"]`, `models: ["*"], dialect: torchserve, contents: raw`}}, []string{"warning: consumers.web.contents: clients of dialect torchserve read typed contents only"}},
		{"allowed of Triton", []edit{{"model: tree", "model: tree\n    dialect: triton\n    allow: [repository, trace, log]"}}, nil},
		{"allowed where nothing is known", []edit{{"model: tree", "model: tree\n    allow: [trace]"}}, nil},
		{"allowed of a server without it", []edit{{"model: tree", "model: tree\n    dialect: kserve\n    allow: [repository, trace]"}}, []string{"backends.tree.allow[1]: a model server of dialect kserve has nothing to allow here"}},
		{"allowed twice", []edit{{"model: tree", "model: tree\n    allow: [log, log]"}}, []string{"backends.tree.allow: an element is given twice"}},
		{"allowed, but to nobody", []edit{{"model: tree", "model: tree\n    allow: [log]"}, {"roles: [reviewer, operator]", "roles: [reviewer]"}}, []string{"warning: backends.tree.allow: nobody may use it", "warning: limits: nobody may reset"}},
		{"two people, and one operator", []edit{{"max_count: 10", "max_count: 10, reset: {people: 2}"}}, []string{"limits.stop.reset.people: is 2, and there is 1 with the role operator"}},
		{"nobody to reset", []edit{{"roles: [reviewer, operator]", "roles: [reviewer]"}}, []string{"warning: limits: nobody may reset"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, faults := Parse("base.yaml", base(t, tc.edits...))
			expect(t, faults, tc.want)
		})
	}
}

// expect compares faults with what is wanted of each, in any order: "field: part of the rest".
func expect(t *testing.T, faults Faults, want []string) {
	t.Helper()
	unexpected := append(Faults(nil), faults...)
	for _, w := range want {
		found := false
		for i, f := range unexpected {
			rest, warning := strings.CutPrefix(w, "warning: ")
			field, part, _ := strings.Cut(rest, ": ")
			if f.Field == field && f.Warning == warning && strings.Contains(f.Problem+"; "+f.Remedy, part) {
				unexpected = append(unexpected[:i:i], unexpected[i+1:]...)
				found = true
				break
			}
		}
		if !found {
			t.Errorf("missing: %s", w)
		}
	}
	for _, f := range unexpected {
		t.Errorf("unexpected: %s", f)
	}
}

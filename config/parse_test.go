package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"buf.build/go/protoyaml"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// What is wrong with the text itself, stated as in TestCheck.
func TestParseFaults(t *testing.T) {
	for _, tc := range []struct {
		name  string
		edits []edit
		want  []string
	}{
		{"unknown key", []edit{{"model: net", "modle: net"}}, []string{`backends.net.modle: unknown key "modle"; write model`}},
		{"unknown key far from all", []edit{{"model: net", "model: net\n    zzz: 1"}}, []string{`backends.net.zzz: unknown key "zzz"; write one of the 17 that are declared`}},
		{"what is under a mistyped key is checked", []edit{{"accept: {threshold: {probability: 0.9}}", "acept: {treshold: {probability: 9}}"}},
			[]string{`models.mail.policy.acept: write accept`, "models.mail.policy.accept.treshold: write threshold", "models.mail.policy.accept.threshold.probability: 9 is out of range"}},
		{"part of a name", []edit{{"{anonymous: true}", "{sha256: x}"}}, []string{"consumers.web.identity.sha256: write token_sha256", "consumers.web.identity.token_sha256: is not the SHA-256 of a token"}},
		{"key twice", []edit{{"model: net", "model: net\n    model: not"}}, []string{"backends.net.model: given twice; keep this one or the one in line 10"}},
		{"name twice", []edit{{"  tree:\n", "  net:\n"}, {"[{backend: tree}]", "[{backend: net}]"}}, []string{"backends.net: the name is given twice; keep this one or the one in line 8", "ensembles.second.members[0].backend: the same answer"}},
		{"wrong types", []edit{{"quorum: 1", "quorum: one"}, {"window: 10m", "window: 10"}, {"mode: enforce", "mode: [enforce]"}},
			[]string{"ensembles.second.quorum: wants a whole number, but holds the text \"one\"", "limits.stop.window: give it a unit, such as 10s or 10ms", "models.mail.policy.mode: holds a list; write enforce or observe"}},
		{"list without a list", []edit{{"[ana]", "ana"}}, []string{"queues.desk.reviewers: wants a list, but holds the text"}},
		{"mapping for a list", []edit{{"[ana]", "{ana: 1}"}}, []string{"queues.desk.reviewers: wants a list, but holds keys and values"}},
		{"text for a mapping", []edit{{"  desk: {reviewers: [ana]}", "  desk: ana"}}, []string{"queues.desk: wants keys and values, but holds the text"}},
		{"enum by number", []edit{{"mode: enforce", "mode: 2"}}, []string{`models.mail.policy.mode: unknown value "2"; write enforce or observe`}},
		{"enum mistyped", []edit{{"kind: probability", "kind: probabilty"}}, []string{"backends.net.card.scores[0].kind: write probability"}},
		{"enum unspecified", []edit{{"mode: enforce", "mode: MODE_UNSPECIFIED"}}, []string{"models.mail.policy.mode: is unspecified; write enforce or observe"}},
		{"days", []edit{{"window: 10m", "window: 7d"}}, []string{"limits.stop.window: write days as hours: 168h"}},
		{"date without a time", []edit{{"version: 7\n    card:\n      created_at: 2026-01-01T00:00:00Z", "version: 7\n    card:\n      created_at: 2026-01-01"}}, []string{"backends.net.card.created_at: such as 2026-01-01T00:00:00Z"}},
		{"negative duration", []edit{{"window: 10m", "window: -10m"}}, []string{"limits.stop.window: is out of range; write a duration of at least 1s"}},
		{"octal or not", []edit{{"max_count: 10", "max_count: 010"}}, []string{"limits.stop.max_count: wants a whole number"}},
		{"null where something is wanted", []edit{{"model: net", "model:"}}, []string{"backends.net.model: is missing; add model: text"}},
		{"missing", []edit{{"    model: net\n", ""}}, []string{"backends.net.model: is missing"}},
		{"empty", []edit{{"model: net", `model: ""`}}, []string{"backends.net.model: is empty; write text"}},
		{"name in capitals", []edit{{"  desk: {", "  Desk: {"}, {"queue: desk", "queue: Desk"}}, []string{`queues.Desk: "Desk" is not a name; write 1 to 63 of a-z`}},
		{"name of several words", []edit{{"  desk: {", "  the desk: {"}, {"queue: desk", "queue: the desk"}}, []string{`queues["the desk"]: "the desk" is not a name`}},
		{"empty list", []edit{{`models: ["*"]`, "models: []"}}, []string{"consumers.web.models: is empty; add 1 element"}},
		{"element twice", []edit{{`models: ["*"]`, "models: [mail, mail]"}}, []string{"consumers.web.models: an element is given twice"}},
		{"too many elements", []edit{{"{threshold: {probability: 0.9}}", "{promise: {alpha: 0.05, delta: 0.1, audit: {rate: 0.1}, grid: {levels: [" + descending(65) + "]}}}"}},
			[]string{"models.mail.policy.accept.promise.grid.levels: has too many elements; keep 64 of them"}},
		{"custom tag", []edit{{"model: net", "model: !env NET"}}, []string{"backends.net.model: unknown YAML tag !env"}},
		{"two documents", []edit{{"queues:", "---\nqueues:"}}, []string{": a second document begins after ---", `models.mail.policy.review.queue: there is no queue "desk"`}[:1]},
		{"aliases of nothing", []edit{{"model: net", "model: *net"}}, []string{": unknown anchor 'net' referenced"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, faults := Parse("base.yaml", base(t, tc.edits...))
			expect(t, faults, tc.want)
		})
	}
}

func TestPositions(t *testing.T) {
	for _, tc := range []struct {
		name, text   string
		line, column int
		field        string
	}{
		{"a value", "listen: {grpc: x}", 1, 16, "listen.grpc"},
		{"a key", "listen:\n  gprc: x", 2, 3, "listen.gprc"},
		{"what is missing stands where its parent does", "store: {}\nlisten:\n  reflection: true", 2, 1, "listen.grpc"},
		{"a value that is not there", "listen:\n  grpc:", 2, 3, "listen.grpc"},
		{"an element", "consumers:\n  a:\n    models:\n      - x\n      - y", 5, 9, "consumers.a.models[1]"},
		{"behind an alias, where the text is", "backends:\n  a: {address: &a nowhere}\n  b: {address: *a}", 2, 16, "backends.b.address"},
		{"tab", "listen:\n  grpc: x\n\thttp: y", 3, 1, ""},
		{"unclosed list", "listen: {}\nconsumers:\n  a:\n    models: [x\nstore: {}\n", 4, 5, ""},
		{"wrong indentation", "listen:\n  grpc: x\n   http: y\n", 3, 4, ""},
		{"colon missing", "audit: {}\nlisten\n  grpc: x\n", 2, 1, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, faults := Parse("f", []byte(tc.text))
			for _, f := range faults {
				if f.Field == tc.field && f.Line == tc.line && f.Column == tc.column {
					return
				}
			}
			t.Errorf("no fault about %q at %d:%d, but\n%v", tc.field, tc.line, tc.column, faults)
		})
	}
}

// A piece that is not YAML doesn't hide what is wrong elsewhere, and isn't complained about twice.
func TestNotYAMLInOnePlace(t *testing.T) {
	_, faults := Parse("base.yaml", base(t,
		edit{"    version: 7", "    version 7"},
		edit{"quorum: 1", "quorum: 5"},
		edit{"max_count: 10", "max_count: ["},
	))
	expect(t, faults, []string{": this is not YAML", ": this is not YAML", "ensembles.second.quorum: a quorum of 5"})
}

func TestForms(t *testing.T) {
	want, _ := Parse("base.yaml", base(t))
	for _, tc := range []struct {
		name  string
		edits []edit
	}{
		{"full enum names", []edit{{"mode: enforce", "mode: MODE_ENFORCE"}, {"kind: regression", "kind: SCORE_KIND_REGRESSION"}, {"rows: none", "rows: None"}}},
		{"proto's durations", []edit{{"window: 10m", "window: 600s"}}},
		{"quoted numbers", []edit{{"max_count: 10", `max_count: "10"`}, {"quorum: 1", "quorum: 1e0"}}},
		{"JSON names", []edit{{"interval_scale: 5", "intervalScale: 5.0"}}},
		{"zones", []edit{{"version: 7\n    card:\n      created_at: 2026-01-01T00:00:00Z", "version: 7\n    card:\n      created_at: 2026-01-01T01:00:00+01:00"}}},
		{"anchors", []edit{{"[ham, spam]}\n", "&labels [ham, spam]}\n"}, {"[ham, spam]} # the tree's", "*labels}"}}},
		{"merge keys", []edit{{"- {name: x, datatype: FP32, shape: [-1, 4]}\n", "- &x {name: x, datatype: FP32, shape: [-1, 4]}\n"}, {"- {name: x, datatype: FP32, shape: [-1, 4]} # the tree's", "- {<<: *x, name: x}"}}},
		{"nothing after a key", []edit{{"queues:", "audit:\nqueues:"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, faults := Parse("f", base(t, tc.edits...))
			if len(faults) > 0 {
				t.Fatal(faults)
			}
			if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Whatever protoyaml writes is read as what it was written of.
func TestReadsProtoyaml(t *testing.T) {
	want, _ := Parse("base.yaml", base(t))
	for _, options := range []protoyaml.MarshalOptions{{}, {UseProtoNames: true, EmitUnpopulated: false, Indent: 2}} {
		text, err := options.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		got, faults := Parse("f", text)
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Error(diff)
		}
	}
}

// Texts that are made to hurt end soon, in a fault.
func TestHostileTexts(t *testing.T) {
	var laughs strings.Builder
	laughs.WriteString("x0: &a0 [1, 2]\n")
	for i := 1; i < 40; i++ {
		fmt.Fprintf(&laughs, "x%d: &a%d [*a%d, *a%d, *a%d]\n", i, i, i-1, i-1, i-1)
	}
	var merges strings.Builder
	merges.WriteString("x0: &a0 {grpc: x}\n")
	for i := 1; i < 40; i++ {
		fmt.Fprintf(&merges, "x%d: &a%d {<<: [*a%d, *a%d, *a%d]}\n", i, i, i-1, i-1, i-1)
	}
	for name, text := range map[string]string{
		"billion laughs":         laughs.String() + "consumers: {a: {models: *a39}}",
		"laughing entries":       "backends:\n  a: &a {card: &c {inputs: [" + strings.Repeat("{},", 1000) + "]}}\n" + repeat("  b%d: *a\n", 1000),
		"merged laughs":          merges.String() + "listen: *a39",
		"merge of itself":        "listen: &a {<<: *a, grpc: x}",
		"list of itself":         "consumers: {a: {models: &a [*a]}}",
		"deep":                   strings.Repeat("[", 9000),
		"deep mappings":          strings.Repeat("a: {", 9000),
		"many keys":              repeat("k%d: 1\n", 30000),
		"many mistakes":          "backends:\n" + repeat("  b%d: {adress: x, card: 1}\n", 10000),
		"many errors":            repeat("k%d\n", 3000),
		"long key":               strings.Repeat("k", 1<<20) + ": {a: 1}",
		"long value":             "store: {identity: " + strings.Repeat("k", 1<<20) + "}",
		"too long":               strings.Repeat("#", maxText+1),
		"many members":           "ensembles: {a: {members: [" + strings.Repeat("{backend: b},", 10000) + "]}}\nmodels:\n" + repeat("  m%d: {primary: p, policy: {fallback: {ensemble: a}}}\n", 2000),
		"nothing but comments":   "# a\n# b\n",
		"not UTF-8":              "listen: \xff\xfe",
		"NUL":                    "listen: \x00",
		"a key that is a list":   "listen: {[a]: b}",
		"a key that is a merge":  "<<: [1, {a: b}]",
		"duplicates of unknowns": repeat("x: %d\n", 5000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, faults := Parse("f", []byte(text))
			if cfg == nil || len(faults.Errors()) == 0 {
				t.Errorf("got %v, %d faults; want a configuration, however empty, and a fault", cfg, len(faults))
			}
			if len(faults) > maxFaults+1 {
				t.Errorf("%d faults", len(faults))
			}
		})
	}
}

func repeat(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// The reader knows the kinds of field that config.proto has. A new one needs a reader first.
func TestEveryKindCanBeRead(t *testing.T) {
	for _, message := range messages(candorv1.File_candor_v1_config_proto.Messages().ByName("Config")) {
		for i := range message.Fields().Len() {
			field := message.Fields().Get(i)
			if field.IsMap() && field.MapKey().Kind() != protoreflect.StringKind {
				t.Errorf("%s: the key of a map is read as text", field.FullName())
			}
			switch field.Kind() {
			case protoreflect.MessageKind, protoreflect.StringKind, protoreflect.BoolKind, protoreflect.EnumKind, protoreflect.DoubleKind,
				protoreflect.Int64Kind, protoreflect.Uint32Kind:
			default:
				t.Errorf("%s: no reader for %v", field.FullName(), field.Kind())
			}
		}
	}
}

// messages are a message and all that it is made of, those written as one scalar excepted.
func messages(root protoreflect.MessageDescriptor) map[protoreflect.FullName]protoreflect.MessageDescriptor {
	seen := map[protoreflect.FullName]protoreflect.MessageDescriptor{}
	var visit func(protoreflect.MessageDescriptor)
	visit = func(message protoreflect.MessageDescriptor) {
		if seen[message.FullName()] != nil || isWellKnown(message) {
			return
		}
		seen[message.FullName()] = message
		for i := range message.Fields().Len() {
			field := message.Fields().Get(i)
			if field.IsMap() {
				field = field.MapValue()
			}
			if field.Message() != nil {
				visit(field.Message())
			}
		}
	}
	visit(root)
	return seen
}

func TestNearest(t *testing.T) {
	candidates := []string{"threshold", "mtls_san", "token_sha256", "fraud-net", "max_in_flight"}
	for word, want := range map[string]string{
		"treshold": "threshold", "thershold": "threshold", "san": "mtls_san", "TOKEN_SHA256": "token_sha256", "fraud_net": "fraud-net",
		"max-in-flights": "max_in_flight", "unrelated": "", "": "", "in": "", strings.Repeat("x", 1000): "",
	} {
		if got := nearest(word, candidates); got != want {
			t.Errorf("nearest(%.20q) = %q, want %q", word, got, want)
		}
	}
}

// A model made in the meantime is not from the future.
func TestCreatedAtIsComparedWithNow(t *testing.T) {
	text := base(t)
	for _, tc := range []struct {
		now  string
		want int
	}{{"2025-12-31T23:59:59Z", 3}, {"2026-01-01T00:00:00Z", 0}} {
		now, err := time.Parse(time.RFC3339, tc.now)
		if err != nil {
			t.Fatal(err)
		}
		if _, faults := parse("f", text, surroundings{now: now}); len(faults) != tc.want {
			t.Errorf("at %s: %d faults, want %d:\n%v", tc.now, len(faults), tc.want, faults)
		}
	}
}

// descending are n numbers below 1.
func descending(n int) string {
	numbers := make([]string, n)
	for i := range numbers {
		numbers[i] = fmt.Sprintf("%.3f", 1-float64(i+1)/1000)
	}
	return strings.Join(numbers, ", ")
}

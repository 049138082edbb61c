package config

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// bareConfig is a configuration in which everything that has a default is left out.
func bareConfig() *candorv1.Config {
	return &candorv1.Config{
		Listen:    &candorv1.Listen{},
		Consumers: map[string]*candorv1.Consumer{"c": {}},
		Store:     &candorv1.Store{Kind: &candorv1.Store_Postgres{Postgres: &candorv1.PostgresStore{}}},
		Backends: map[string]*candorv1.Backend{"b": {Addresses: []string{"a:1", "b:1"}, Hedge: &candorv1.HedgeConfig{}, Card: &candorv1.ModelCard{
			Inputs: []*candorv1.InputSpec{{}},
			Scores: []*candorv1.Score{{Kind: candorv1.ScoreKind_SCORE_KIND_PROBABILITY}},
		}}, "watched": {Breaker: &candorv1.BreakerConfig{Collapse: &candorv1.CollapseConfig{}}}},
		Ensembles: map[string]*candorv1.Ensemble{"e": {Members: []*candorv1.Member{{Backend: "b"}}}},
		Models: map[string]*candorv1.Model{"m": {Primary: "b", Policy: &candorv1.Policy{
			Accept:   &candorv1.Accept{License: &candorv1.Accept_Threshold{Threshold: &candorv1.Threshold{At: &candorv1.Threshold_Margin{Margin: 0.5}}}},
			Fallback: &candorv1.FallbackPolicy{Ensemble: "e"},
			Review:   &candorv1.ReviewPolicy{Queue: "q"},
		}}, "promised": {Primary: "b", Policy: &candorv1.Policy{
			Accept: &candorv1.Accept{License: &candorv1.Accept_Promise{Promise: &candorv1.Promise{Grid: &candorv1.ThresholdGrid{}}}},
		}}},
		Queues: map[string]*candorv1.Queue{"q": {Agreement: &candorv1.Agreement{}, Coalesce: &candorv1.Coalesce{}, Hours: &candorv1.Hours{}}},
		Limits: map[string]*candorv1.LimitConfig{"l": {
			Window: durationpb.New(time.Minute), Alerts: []*candorv1.AlertReceiver{{To: &candorv1.AlertReceiver_Alertmanager{Alertmanager: "http://a"}}}, Key: &candorv1.LimitKey{},
			Sum: &candorv1.LimitSum{Amount: &candorv1.LimitAmount{From: &candorv1.LimitAmount_Input{Input: &candorv1.InputColumn{}}}},
		}},
		People:   &candorv1.People{Oidc: &candorv1.OIDC{}},
		Webhooks: map[string]*candorv1.Webhook{"w": {}},
	}
}

// Defaults that the comments say in words rather than as a value.
var defaultsInWords = map[string]string{
	"Member.timeout":              "Default: its backend's timeout",
	"ReviewPolicy.deadline":       "Default: the queue's",
	"ReviewPolicy.audit_deadline": "Default: deadline",
	"Queue.blind":                 "Default true",
	"Agreement.agree":             "Default: more than half of reviewers",
	"FallbackPolicy.threshold":    "Absent: the policy's",
	"Policy.confidence":           "Default max_prob; interval_width for regression",
	"Policy.on_defer":             "The default",
	"LimitConfig.on_trip":         "The default",
	"Probation.for":               "Default: the limit's window",
	"Backend.adaptive_limit":      "Default true",
	"Consumer.priority":           "Default normal",
	"ReviewPolicy.on_expire":      "Default reject",
	"ReviewPolicy.on_replaced":    "Default keep",
	"Hours.time_zone":             "Default UTC",
	"Promise.on_stale":            "The default",
	"Promise.on_new_version":      "The default",
	"OnStoreLost.withhold":        "Default actions",
	"OIDC.name_claim":             "Default email",
	"OIDC.groups_claim":           "Default groups",
	"OIDC.scopes":                 "Default email, profile, groups",
	// Messages that hold nothing but defaults.
	"Config.audit": "", "Config.retention": "", "Config.telemetry": "", "Backend.breaker": "", "Backend.retry": "", "Backend.replicas": "", "LimitConfig.reset": "", "LimitConfig.probation": "", "Policy.monitors": "", "Policy.on_store_lost": "", "People.sessions": "",
}

// Every default in a comment of config.proto is the one that is filled in, and every one that is filled in is in a comment.
func TestDefaultsAreTheDocumentedOnes(t *testing.T) {
	documented := documentedDefaults(t)
	before, after := bareConfig(), bareConfig()
	ApplyDefaults(after)
	filled := map[string]protoreflect.Value{}
	differences(before.ProtoReflect(), after.ProtoReflect(), filled)

	for field, text := range documented {
		value, ok := filled[field]
		if !ok {
			t.Errorf("%s is documented to be %s, but isn't filled in", field, text)
			continue
		}
		if !same(value, text) {
			t.Errorf("%s is documented to be %s, but is filled with %v", field, text, value)
		}
	}
	for field, value := range filled {
		_, words := defaultsInWords[field]
		if _, ok := documented[field]; !ok && !words {
			t.Errorf("%s is filled with %v, which no comment says", field, value)
		}
	}
	source := protoSource(t)
	for field, words := range defaultsInWords {
		if _, ok := filled[field]; !ok {
			t.Errorf("%s isn't filled in", field)
		}
		if !strings.Contains(source, words) {
			t.Errorf("%s: no comment says %q any more", field, words)
		}
	}
}

func protoSource(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../proto/candor/v1/config.proto")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// documentedDefaults are the "Default VALUE" of the comments, by Message.field.
func documentedDefaults(t *testing.T) map[string]string {
	t.Helper()
	message := regexp.MustCompile(`^message (\w+) \{`)
	field := regexp.MustCompile(`^\s+(?:optional |repeated )?[\w.<>, ]+ (\w+) = \d+`)
	value := regexp.MustCompile(`Default (-?[0-9](?:[0-9a-z.]*[0-9a-z])?)`)
	out := map[string]string{}
	in, comment := "", ""
	for line := range strings.Lines(protoSource(t)) {
		text := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(text, "//"):
			comment += " " + strings.TrimSpace(text[2:])
			continue
		case message.MatchString(line):
			in = message.FindStringSubmatch(line)[1]
		case field.MatchString(line):
			if m := value.FindStringSubmatch(comment); m != nil {
				out[in+"."+field.FindStringSubmatch(line)[1]] = m[1]
			}
		}
		comment = ""
	}
	if len(out) < 20 {
		t.Fatalf("found only %d defaults in config.proto: %v", len(out), out)
	}
	return out
}

// differences collects, by Message.field, what is set in b and not in a.
func differences(a, b protoreflect.Message, into map[string]protoreflect.Value) {
	b.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		if !a.Has(field) {
			name := string(field.Parent().Name()) + "." + string(field.Name())
			into[name] = value
			// A message that only holds defaults; another is a copy.
			if words, ok := defaultsInWords[name]; ok && words == "" {
				differences(value.Message().New(), value.Message(), into)
			}
			return true
		}
		switch {
		case field.Message() == nil || isWellKnown(field.Message()):
		case field.IsMap():
			value.Map().Range(func(key protoreflect.MapKey, element protoreflect.Value) bool {
				differences(a.Get(field).Map().Get(key).Message(), element.Message(), into)
				return true
			})
		case field.IsList():
			for i := range value.List().Len() {
				differences(a.Get(field).List().Get(i).Message(), value.List().Get(i).Message(), into)
			}
		default:
			differences(a.Get(field).Message(), value.Message(), into)
		}
		return true
	})
}

// same compares a value with its text in a comment.
func same(value protoreflect.Value, text string) bool {
	if message, ok := value.Interface().(protoreflect.Message); ok {
		duration, err := time.ParseDuration(text)
		return err == nil && proto.Equal(message.Interface(), durationpb.New(duration))
	}
	want, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return false
	}
	switch got := value.Interface().(type) {
	case float64:
		return got == want
	case int64:
		return float64(got) == want
	case uint32:
		return float64(got) == want
	}
	return false
}

func TestDefaultsInWords(t *testing.T) {
	cfg := bareConfig()
	cfg.Backends["b"].Timeout = durationpb.New(7 * time.Second)
	cfg.Queues["q"].Deadline = durationpb.New(time.Hour)
	ApplyDefaults(cfg)
	policy := cfg.GetModels()["m"].GetPolicy()
	for _, tc := range []struct {
		what      string
		got, want any
	}{
		{"member timeout", cfg.GetEnsembles()["e"].GetMembers()[0].GetTimeout().AsDuration(), 7 * time.Second},
		{"review deadline", policy.GetReview().GetDeadline().AsDuration(), time.Hour},
		{"fallback threshold", policy.GetFallback().GetThreshold().GetMargin(), 0.5},
		{"confidence", policy.GetConfidence(), candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB},
		{"on_defer", policy.GetOnDefer(), candorv1.OnDefer_ON_DEFER_WITHHOLD},
		{"on_expire", policy.GetReview().GetOnExpire(), candorv1.ExpireAction_EXPIRE_ACTION_REJECT},
		{"on_trip", cfg.GetLimits()["l"].GetOnTrip(), candorv1.OnTrip_ON_TRIP_REVIEW},
	} {
		if tc.got != tc.want {
			t.Errorf("%s is %v, want %v", tc.what, tc.got, tc.want)
		}
	}
	cfg = bareConfig()
	cfg.Backends["b"].Card.Scores[0].Kind = candorv1.ScoreKind_SCORE_KIND_REGRESSION
	ApplyDefaults(cfg)
	if got := cfg.GetModels()["m"].GetPolicy().GetConfidence(); got != candorv1.ConfidenceMethod_CONFIDENCE_METHOD_INTERVAL_WIDTH {
		t.Errorf("confidence of a regression is %v", got)
	}
}

func TestApplyDefaultsTwice(t *testing.T) {
	for _, cfg := range []*candorv1.Config{{}, bareConfig()} {
		ApplyDefaults(cfg)
		once := proto.CloneOf(cfg)
		ApplyDefaults(cfg)
		if diff := cmp.Diff(once, cfg, protocmp.Transform()); diff != "" {
			t.Error(diff)
		}
	}
}

func TestApplyDefaultsKeepsWhatIsWritten(t *testing.T) {
	cfg, faults := Parse("f", base(t,
		edit{"{action: quarantine,", "{action: quarantine, on_trip: reject,"},
		edit{"version: 7", "version: 7\n    timeout: 1s\n    max_in_flight: 3\n    breaker: {probes: 9}"},
	))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	b := cfg.GetBackends()["net"]
	if b.GetTimeout().AsDuration() != time.Second || b.GetMaxInFlight() != 3 || b.GetBreaker().GetProbes() != 9 ||
		b.GetBreaker().GetMinCalls() != 10 || cfg.GetLimits()["stop"].GetOnTrip() != candorv1.OnTrip_ON_TRIP_REJECT {
		t.Errorf("got %v and %v", b, cfg.GetLimits())
	}
}

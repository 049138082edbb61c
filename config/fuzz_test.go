package config

import (
	"math/rand/v2"
	"os"
	"regexp"
	"testing"

	"buf.build/go/protoyaml"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/backend"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// compiles requires that those who make something of a configuration find nothing wrong in it that Parse didn't.
func compiles(t *testing.T, cfg *candorv1.Config) {
	t.Helper()
	for name, b := range cfg.GetBackends() {
		if _, err := backend.CompileCard(b.GetCard()); err != nil {
			t.Errorf("backends.%s.card: no fault, but %v", name, err)
		}
	}
	for name, model := range cfg.GetModels() {
		if _, err := router.Compile(model.GetPolicy(), sourceOf(cfg, model.GetPrimary())); err != nil {
			t.Errorf("models.%s.policy: no fault, but %v", name, err)
		}
	}
}

// Words of a good configuration, put in the place of others, make many that are nearly good. What passes must compile.
func TestWhatPassesCompiles(t *testing.T) {
	const texts, seed = 500, 7
	text := string(base(t))
	word := regexp.MustCompile(`[^\s\[\]{},:"]+`)
	words := append(word.FindAllString(text, -1),
		"-1", "0", ".nan", "null", "UINT8", "BOOL", "logit", "log_prob", "margin", "entropy", "max_prob", "value", "label_index", "neutral", "none", "log_odds", "distance", "boundary", "energy", "meta",
		"vote_share", "disagreement", "spread", "regression", "metric", "calibrator", "net@1", "variance_output", "abstain_output", "energy_center", "distance_scale")
	random := rand.New(rand.NewPCG(seed, seed))
	passed := 0
	for range texts {
		places := word.FindAllStringIndex(text, -1)
		place := places[random.IntN(len(places))]
		edited := text[:place[0]] + words[random.IntN(len(words))] + text[place[1]:]
		cfg, faults := Parse("f", []byte(edited))
		if len(faults.Errors()) > 0 {
			continue
		}
		passed++
		if compiles(t, cfg); t.Failed() {
			t.Fatal(edited)
		}
	}
	if passed < texts/20 {
		t.Errorf("only %d of %d texts passed: too few to show anything", passed, texts)
	}
}

// Whatever is written, Parse ends without a panic; its faults say where and what; and what it finds no fault with can be
// compiled, and written and read again.
func FuzzParse(f *testing.F) {
	for _, file := range []string{exampleFile, "testdata/base.yaml", "testdata/mistakes.yaml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, text := range []string{"", "a: *a", "listen: &a {<<: *a}", "- [", "models: {m: {policy: {accept: {threshold: {margin: .nan}}}}}", "listen: {grpc: '[::1]:x'}", "? [a]\n: b"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		cfg, faults := Parse("f", text)
		for _, fault := range faults {
			if fault.Line < 1 || fault.Column < 1 || fault.Problem == "" {
				t.Errorf("incomplete: %+v", fault)
			}
		}
		if len(faults.Errors()) > 0 {
			return
		}
		compiles(t, cfg)
		again, err := protoyaml.Marshal(cfg)
		if err != nil {
			t.Fatal(err)
		}
		read, faults := Parse("f", again)
		if len(faults.Errors()) > 0 || !proto.Equal(cfg, read) {
			t.Errorf("written again it is something else: %v\n%s", faults, again)
		}
	})
}

package config

import (
	"os"
	"testing"

	"buf.build/go/protoyaml"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/router"
)

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
		for name, model := range cfg.GetModels() {
			kind := primaryScore(cfg, model).GetKind()
			if _, err := router.Compile(model.GetPolicy(), kind); err != nil {
				t.Errorf("models.%s.policy: no fault, but %v", name, err)
			}
		}
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

package measure

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/bench/targets"
	"github.com/candor-gateway/candor/gen/inference"
)

func TestScrape(t *testing.T) {
	t.Parallel()
	text := `# HELP x y
x 1.5e+06
candor_decisions_total{applied="ACCEPT",model="a",route="ACCEPT"} 90
candor_decisions_total{applied="ACCEPT",model="b",route="ACCEPT"} 4
candor_decisions_total{applied="FALLBACK",model="a",route="FALLBACK"} 5
candor_decisions_total{applied="ACCEPT",model="a",route="REJECT"} 1
`
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/metrics":
			_, _ = w.Write([]byte(text))
		case "/bad":
			_, _ = w.Write([]byte("x one\n"))
		default:
			http.NotFound(w, r)
		}
	}))
	defer srv.Close()
	all, err := Scrape(t.Context(), srv.URL+"/metrics")
	if err != nil || all["x"] != 1.5e6 {
		t.Fatalf("%v, %v", all, err)
	}
	want := map[string]uint64{"ACCEPT": 94, "FALLBACK": 5, "REJECT applied as ACCEPT": 1}
	if got := routes(all); !maps.Equal(got, want) {
		t.Errorf("routes %v, want %v", got, want)
	}
	for _, path := range []string{"/bad", "/absent"} {
		if all, err := Scrape(t.Context(), srv.URL+path); err == nil {
			t.Errorf("%s: %v", path, all)
		}
	}
	target := &targets.Target{Name: "t", Metrics: srv.URL + "/metrics"}
	if n, err := allocated(t.Context(), target); err == nil || !strings.Contains(err.Error(), "has no go_memstats_alloc_bytes_total") {
		t.Errorf("%v, %v", n, err)
	}
}

// The regimes are what the report says that they are.
func TestRegimes(t *testing.T) {
	t.Parallel()
	rows := map[string]int64{Small: 1, Open: 1, Image: 1, Batch: 256}
	for _, r := range Regimes() {
		in := new(inference.ModelInferRequest)
		if err := proto.Unmarshal(r.message, in); err != nil {
			t.Fatal(err)
		}
		if got := in.GetInputs()[0].GetShape()[0]; got != rows[r.Name] || int64(r.rows) != got {
			t.Errorf("%s has %d rows", r.Name, got)
		}
		if (r.InFlight > 0) == (r.Rate > 0) {
			t.Errorf("%s is neither a closed nor an open loop: %d in flight, %d a second", r.Name, r.InFlight, r.Rate)
		}
		for _, rewrites := range []bool{false, true} {
			if err := r.check(rewrites)(r.answer); err != nil {
				t.Errorf("%s: the right answer: %v", r.Name, err)
			}
			if err := r.check(rewrites)(r.answer[:len(r.answer)-1]); err == nil {
				t.Errorf("%s: half an answer is taken", r.Name)
			}
		}
		// More at the end is fine where somebody appends, and nowhere else.
		longer := append(append([]byte(nil), r.answer...), 0x1a, 1, 'x')
		if err := r.check(true)(longer); err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
		if err := r.check(false)(longer); err == nil {
			t.Errorf("%s: an answer with more at its end is taken", r.Name)
		}
	}
	if n := len(Regimes()[2].message); n < 602_112 || n > 603_000 {
		t.Errorf("the picture has %d bytes", n)
	}
}

// A target that isn't there is a sample with an error, and the others go on.
func TestRoundsGoOn(t *testing.T) {
	set, err := targets.Start(t.Context(), targets.Options{Self: "/no/such/program", Dir: t.TempDir()}, nil)
	if err == nil {
		t.Fatal("a stub that isn't there starts")
	}
	if err := set.Stop(); err != nil {
		t.Error(err)
	}
	set.Targets = []*targets.Target{{Name: "a", Addr: "127.0.0.1:1"}, {Name: "b", Addr: "127.0.0.1:1"}}
	samples, err := Rounds(t.Context(), Config{Rounds: 2, Window: time.Millisecond, Seed: 1}, set, Regimes())
	if err != nil || len(samples) != 2*2*4 {
		t.Fatalf("%d samples, %v", len(samples), err)
	}
	for _, s := range samples {
		if s.Failed == 0 || !strings.Contains(s.Error, "127.0.0.1:1") || s.Requests != 0 {
			t.Errorf("%+v", s)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Rounds(ctx, Config{Rounds: 1, Window: time.Millisecond}, set, Regimes()); err == nil || !strings.Contains(err.Error(), "stopped in round 1") {
		t.Errorf("%v", err)
	}
}

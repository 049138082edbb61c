package demo

import (
	"errors"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/candor-gateway/candor/config"
	"github.com/candor-gateway/candor/examples/digits"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func TestDeckDealsEachOnceAndThenAgain(t *testing.T) {
	cards := []int{1, 2, 3, 4, 5}
	a, b := newDeck(slices.Clone(cards), 7), newDeck(slices.Clone(cards), 7)
	for pass := range 3 {
		// Hands that don't end with a pass.
		hand := append(a.deal(3), a.deal(2)...)
		if again := b.deal(5); !slices.Equal(hand, again) {
			t.Errorf("pass %d: one seed dealt %v and %v", pass, hand, again)
		}
		slices.Sort(hand)
		if !slices.Equal(hand, cards) {
			t.Errorf("pass %d dealt %v", pass, hand)
		}
	}
}

func TestBestOfSkipsMembersAndHumans(t *testing.T) {
	step := func(kind candorv1.StepKind, label string) *candorv1.Step {
		return &candorv1.Step{Kind: kind, Label: label}
	}
	primary := step(candorv1.StepKind_STEP_KIND_PRIMARY, "1")
	member := step(candorv1.StepKind_STEP_KIND_MEMBER, "2")
	ensemble := step(candorv1.StepKind_STEP_KIND_ENSEMBLE, "3")
	silent := step(candorv1.StepKind_STEP_KIND_ENSEMBLE, "")
	remedial := step(candorv1.StepKind_STEP_KIND_REMEDIAL, "4")
	human := step(candorv1.StepKind_STEP_KIND_HUMAN, "5")
	for _, tc := range []struct {
		path []*candorv1.Step
		want string
	}{
		{nil, ""},
		{[]*candorv1.Step{primary}, "1"},
		{[]*candorv1.Step{primary, member, ensemble}, "3"},
		{[]*candorv1.Step{primary, member, silent, remedial, human}, "4"},
		{[]*candorv1.Step{primary, member, silent}, "1"},
	} {
		if got := bestOf(tc.path); got != tc.want {
			t.Errorf("best of %v is %q, want %q", tc.path, got, tc.want)
		}
	}
}

// The accuracies are what the command's help says that they are.
func TestTallyAccuracies(t *testing.T) {
	images := digits.Set{{Label: 1}, {Label: 2}, {Label: 3}, {Label: 4}}
	tl := newTally(images, []string{"1", "7", "3", "7"})
	accept, fallback, deferred := candorv1.Route_ROUTE_ACCEPT, candorv1.Route_ROUTE_FALLBACK, candorv1.Route_ROUTE_DEFER
	tl.add([]answer{{image: 0, route: accept, released: true, label: "1", best: "1"}})
	tl.add([]answer{{image: 1, route: fallback, released: true, label: "9", best: "9", reasons: []string{reasonBackendFailure}}})
	tl.add([]answer{{image: 2, route: deferred, best: "3"}})
	tl.add([]answer{{image: 3, route: deferred, limit: "limits/x"}})
	// A provisional answer was released, but not without a human.
	tl.add([]answer{{image: 3, route: deferred, released: true, label: "4", best: "4"}})
	f := tl.figures()
	if f.rows != 5 || f.accepted != (share{1, 2}) || f.all != (share{3, 5}) || f.alone != (share{2, 5}) {
		t.Errorf("%d rows, accepted %v, all %v, alone %v", f.rows, f.accepted, f.all, f.alone)
	}
	if f.withheld != 1 || f.routes[deferred] != 3 || f.reasons[reasonBackendFailure] != 1 {
		t.Errorf("%+v", f)
	}
}

func TestTallyKeepsTellingExamples(t *testing.T) {
	tl := newTally(digits.Set{{Label: 1}}, []string{"1"})
	for _, a := range []answer{
		{predictionID: "batch", rows: 8, route: candorv1.Route_ROUTE_DEFER},
		{predictionID: "judged by now", rows: 1, route: candorv1.Route_ROUTE_DEFER},
		{predictionID: "waits", rows: 1, route: candorv1.Route_ROUTE_DEFER},
		{predictionID: "later batch", rows: 8, route: candorv1.Route_ROUTE_DEFER},
		{predictionID: "uncertified", rows: 1, route: candorv1.Route_ROUTE_FALLBACK, released: true, reasons: []string{reasonUncertified}},
		{predictionID: "outage", rows: 1, route: candorv1.Route_ROUTE_FALLBACK, released: true, reasons: []string{reasonBackendFailure}},
		{predictionID: "unsure", rows: 1, route: candorv1.Route_ROUTE_FALLBACK, released: true},
		{predictionID: "first", rows: 8, route: candorv1.Route_ROUTE_ACCEPT, released: true},
		{predictionID: "second", rows: 1, route: candorv1.Route_ROUTE_ACCEPT, released: true},
		{predictionID: "third", rows: 1, route: candorv1.Route_ROUTE_ACCEPT, released: true},
	} {
		tl.add([]answer{a})
	}
	want := map[example]string{
		exampleDeferred: "waits", exampleUncertified: "uncertified", exampleFallback: "outage", exampleAccepted: "second",
	}
	if got := tl.figures().examples; !maps.Equal(got, want) {
		t.Errorf("examples %v, want %v", got, want)
	}
}

func TestPromises(t *testing.T) {
	good := figures{accepted: share{99, 100}, alone: share{94, 100}}
	kept := summary{
		Review: reviewSummary{Deferred: 3, Verdicts: 2, InQueue: 1}, Breaker: breakerSummary{Opened: 1, Closed: 1},
		Limit: limitSummary{Tripped: 1, Latched: true},
	}
	for _, tc := range []struct {
		name   string
		breach func(*figures, *summary)
		want   string
	}{
		{"kept", func(*figures, *summary) {}, ""},
		{"failed call", func(f *figures, _ *summary) { f.failed, f.lastFailure = 2, "boom" }, "2 calls brought no answer"},
		{"worse than the primary", func(f *figures, _ *summary) { f.accepted = share{93, 100} }, "less often"},
		{"nothing deferred", func(_ *figures, s *summary) { s.Review.Deferred = 0 }, "no digit was deferred"},
		{"lost item", func(_ *figures, s *summary) { s.Review.Verdicts = 1 }, "only 2 were judged or are in the queue"},
		{"nothing left", func(_ *figures, s *summary) { s.Review.Verdicts, s.Review.InQueue = 3, 0 }, "no digit is left"},
		{"no breaker opened", func(_ *figures, s *summary) { s.Breaker = breakerSummary{} }, "breakers opened 0"},
		{"no breaker closed", func(_ *figures, s *summary) { s.Breaker.Closed = 0 }, "closed 0 times"},
		{"no trip", func(_ *figures, s *summary) { s.Limit.Tripped = 0 }, "no action limit tripped"},
		{"no latch", func(_ *figures, s *summary) { s.Limit.Latched = false }, "did not stay latched"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			st, f, sum := &stage{}, good, kept
			tc.breach(&f, &sum)
			st.checkSummary(f, sum)
			err := st.verdict()
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("verdict %v, want %q", err, tc.want)
			}
		})
	}
}

func TestConfigFileKeepsWhatItDoesNotSet(t *testing.T) {
	f, err := parseConfigFile("x.yaml", []byte("# old head\n\nlisten:\n  # a comment\n  grpc: a:1 # by hand\n  reflection: true\nstore:\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.set("b:2", "listen", "grpc"), f.set("x.db", "store", "sqlite", "path")); err != nil {
		t.Fatal(err)
	}
	f.head("# new head\n")
	got, err := f.text()
	if err != nil {
		t.Fatal(err)
	}
	want := "# new head\n\nlisten:\n  # a comment\n  grpc: b:2 # by hand\n  reflection: true\n\nstore:\n  sqlite:\n    path: x.db\n"
	if string(got) != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if err := f.set("x", "listen", "grpc", "deeper"); err == nil || !strings.Contains(err.Error(), `"deeper"`) {
		t.Errorf("a key under a text: %v", err)
	}
	for _, text := range []string{"", "- a list\n", ": ["} {
		if _, err := parseConfigFile("x.yaml", []byte(text)); err == nil {
			t.Errorf("%q was taken for a configuration", text)
		}
	}
}

// In a new folder the tokens that the example's comments tell everybody are worth nothing.
func TestNewDirectoryDropsPublishedTokens(t *testing.T) {
	dir, err := openDataDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := dir.addTokens(); err != nil {
		t.Fatal(err)
	}
	if err := dir.configure(startName, nil, addresses{grpc: anyPort}); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(dir.in(startName))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range cfg.GetOperators() {
		names = append(names, name)
	}
	slices.Sort(names)
	if !slices.Equal(names, append(append([]string{"ann", "olga"}, simulated...), "you")) {
		t.Errorf("operators %v", names)
	}
}

// What its owner changed in the folder's configuration is kept.
func TestContinuedDirectoryKeepsChanges(t *testing.T) {
	path := t.TempDir()
	text := strings.Replace(string(digits.Configuration()), "alpha: 0.05", "alpha: 0.03", 1)
	if err := os.WriteFile(filepath.Join(path, configName), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	dir, err := openDataDir(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := dir.addTokens(); err != nil {
		t.Fatal(err)
	}
	if err := dir.configure(configName, nil, addresses{grpc: "127.0.0.1:1"}); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(dir.in(configName))
	if err != nil {
		t.Fatal(err)
	}
	if got := cfg.GetModels()[modelName].GetPolicy().GetAccept().GetPromise().GetAlpha(); got != 0.03 {
		t.Errorf("alpha %v, want the changed one", got)
	}
	if cfg.GetOperators()["ana"] == nil || cfg.GetOperators()["olga"] == nil {
		t.Errorf("operators %v, want the old and the demo's", cfg.GetOperators())
	}
}

func TestCastNamesWhatIsMissing(t *testing.T) {
	for _, tc := range []struct {
		name string
		drop func(*candorv1.Config)
		want string
	}{
		{"nothing", func(*candorv1.Config) {}, ""},
		{"model", func(c *candorv1.Config) { delete(c.Models, modelName) }, "models:"},
		{"promise", func(c *candorv1.Config) { c.Models[modelName].Policy.Accept = nil }, "models.digits.policy.accept.promise"},
		{"fallback", func(c *candorv1.Config) { c.Models[modelName].Policy.Fallback = nil }, "models.digits.policy.fallback"},
		{"review", func(c *candorv1.Config) { c.Models[modelName].Policy.Review = nil }, "models.digits.policy.review"},
		{"consumer", func(c *candorv1.Config) { delete(c.Consumers, "demo") }, "consumers:"},
		{"plain text", func(c *candorv1.Config) { c.Listen.Tls = &candorv1.ServerTLS{} }, "listen.tls"},
		{"limit", func(c *candorv1.Config) { c.Limits["nines"].DryRun = true }, "limits:"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg, faults := config.Parse("candor.yaml", digits.Configuration())
			if len(faults.Errors()) > 0 {
				t.Fatal(faults)
			}
			tc.drop(cfg)
			c, err := castOf(cfg)
			switch {
			case tc.want == "" && (err != nil || c.primary != "linear" || c.member != "mlp" || c.limit != "nines" || !slices.Equal(c.surge, []string{"9"})):
				t.Errorf("%+v, %v", c, err)
			case tc.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tc.want)):
				t.Errorf("error %v, want one about %s", err, tc.want)
			}
		})
	}
}

func TestTakenPortIsReplaced(t *testing.T) {
	lis, err := net.Listen("tcp", anyPort)
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	var said strings.Builder
	got, err := chooseAddress("--grpc", "", lis.Addr().String(), false, newView(&said, false))
	if err != nil || got != anyPort {
		t.Errorf("got %q, %v; want %q", got, err, anyPort)
	}
	if !strings.Contains(said.String(), "taken") {
		t.Errorf("it said %q", &said)
	}
	if got, err := chooseAddress("--http", "", "", true, newView(io.Discard, false)); err != nil || got != "" {
		t.Errorf("without an address: %q, %v", got, err)
	}
}

// A model server that was killed comes back where it was.
func TestModelServerComesBack(t *testing.T) {
	servers, err := startServers(t.Context(), map[string]*candorv1.Backend{"b": {Model: "linear"}})
	if err != nil {
		t.Fatal(err)
	}
	s := servers["b"]
	addr := s.addr
	if err := s.kill(); err != nil {
		t.Fatal(err)
	}
	if conn, err := net.Dial("tcp", addr); err == nil {
		conn.Close()
		t.Error("a killed server took a connection")
	}
	if err := errors.Join(s.kill(), s.start(t.Context())); err != nil {
		t.Fatal(err)
	}
	if s.addr != addr {
		t.Errorf("it came back on %s, not on %s", s.addr, addr)
	}
	if err := servers.stop(); err != nil {
		t.Error(err)
	}
	if _, err := startServers(t.Context(), map[string]*candorv1.Backend{"b": {Model: "oracle"}}); err == nil || !strings.Contains(err.Error(), "backends.b.model") {
		t.Errorf("a model that isn't there: %v", err)
	}
}

func TestTableFitsTheTerminal(t *testing.T) {
	var out strings.Builder
	v := newView(&out, true)
	f := figures{rows: 4, routes: map[candorv1.Route]int{candorv1.Route_ROUTE_ACCEPT: 4}, accepted: share{3, 4}, failed: 1, lastFailure: strings.Repeat("x", 500)}
	v.source, v.began = func() (figures, state, certified) { return f, state{}, certified{} }, time.Now()
	v.show()
	first := strings.Count(out.String(), "\n")
	for line := range strings.Lines(out.String()) {
		if len([]rune(strings.TrimRight(line, "\n"))) >= 80 {
			t.Errorf("a line of %d characters", len(line))
		}
	}
	if v.drawn != first {
		t.Errorf("%d lines were drawn and %d counted", first, v.drawn)
	}
	v.say("above")
	if !strings.Contains(out.String(), "\x1b[J"+"above\n") {
		t.Errorf("the line isn't above the table:\n%q", out.String())
	}
}

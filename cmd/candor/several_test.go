package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/candor-gateway/candor/cmd/candor/internal/server"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/heldport"
	"github.com/candor-gateway/candor/internal/oiptest"
	"github.com/candor-gateway/candor/review"
	"github.com/candor-gateway/candor/store/postgres"
	"github.com/candor-gateway/candor/store/postgres/pgtest"
	"github.com/candor-gateway/candor/store/sqlite"
)

// Claimers of the tests with several processes: processes of claimers, with people in each.
const (
	claimerProcesses = 4
	peopleInEach     = 8
	allPeople        = claimerProcesses * peopleInEach
)

// severalSize is how many items there are, and of how many that a person claims one is let go.
func severalSize() (items, letGoEvery int) {
	if long() {
		return 10_000, 25
	}
	return 400, 5
}

// long says whether the full size was asked for.
func long() bool { return !testing.Short() && os.Getenv("CANDOR_LONG") == "1" }

// several is a test with gateways and claimers in processes of their own.
type several struct {
	t *testing.T
	// bin is the folder of the programs.
	bin      string
	items    map[string]bool
	gateways []*process
	configs  []string
	began    time.Time

	mu sync.Mutex
	// holders of each item's epochs, verdicts that were acknowledged, and refusals by reason.
	holders  map[string]string
	verdicts map[string]said
	refused  map[string]int
	claims   int
	changed  chan struct{}
}

// TestSeveralProcesses lets 32 people in four processes claim and judge the items of one queue, at one gateway with a file and at three
// gateways of one PostgreSQL, and kills, as kill -9 does, a gateway and PostgreSQL meanwhile. No item goes to two people at the same
// epoch, none is lost, every verdict that was acknowledged is there at the end, once, and a verdict of a lease that has ended is refused
// every time.
func TestSeveralProcesses(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		folder := t.TempDir()
		s := startSeveral(t, folder, "sqlite: {path: candor.db}", 1)
		n := len(s.items)
		s.work(map[int]func(){n / 3: func() { s.killGateway(0) }, 2 * n / 3: func() { s.killGateway(0) }})
		s.stopGateways()
		store, err := sqlite.OpenReadOnly(t.Context(), filepath.Join(folder, "candor.db"))
		if err != nil {
			t.Fatal(err)
		}
		s.check(store)
	})
	t.Run("postgres", func(t *testing.T) {
		pgtest.Skip(t)
		pg, err := pgtest.Start(true)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := pg.Close(); err != nil {
				t.Error(err)
			}
		})
		s := startSeveral(t, t.TempDir(), fmt.Sprintf("postgres: {url: %q}", pg.URL("postgres")), 3)
		n := len(s.items)
		s.work(map[int]func(){
			n / 4: func() { s.killGateway(1) },
			n / 2: func() {
				if err := pg.Kill(); err != nil {
					t.Error(err)
				}
				if err := pg.Restart(); err != nil {
					t.Error(err)
				}
			},
			3 * n / 4: func() { s.killGateway(2) },
		})
		s.stopGateways()
		store, err := postgres.OpenReadOnly(t.Context(), pg.URL("postgres"))
		if err != nil {
			t.Fatal(err)
		}
		s.check(store)
	})
}

// startSeveral starts gateways of one store, and defers the items.
func startSeveral(t *testing.T, folder, store string, gateways int) *several {
	t.Helper()
	model := oiptest.Start(t, oiptest.Model{Name: "coin", Infer: oiptest.Const(0.5, 0.5)})
	s := &several{
		t: t, bin: programs(t), holders: map[string]string{}, verdicts: map[string]said{}, refused: map[string]int{}, changed: make(chan struct{}),
	}
	var people strings.Builder
	for i := range allPeople + claimerProcesses {
		fmt.Fprintf(&people, "\n  %s: {identity: {token_sha256: %x}, roles: [reviewer]}", personName(i), sha256.Sum256([]byte(personName(i)+"-token")))
	}
	for i := range gateways {
		text := strings.NewReplacer("$MODEL", model.Addr(), "127.0.0.1:0", heldport.For(t), "sqlite: {path: candor.db}", store,
			"operators:", "operators:"+people.String()).Replace(coinConfig)
		config := filepath.Join(folder, fmt.Sprintf("candor-%d.yaml", i))
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if _, _, err := server.Init(t.Context(), config); err != nil {
				t.Fatal(err)
			}
		}
		s.configs, s.gateways = append(s.configs, config), append(s.gateways, s.serve(config))
	}
	items, _ := severalSize()
	w := newWorkload(t, s.gateways[0].grpc)
	const rows = 200
	for deferred := 0; deferred < items; deferred += rows {
		if err := w.deferBatch("coin", min(rows, items-deferred)); err != nil {
			t.Fatal(err)
		}
	}
	s.items = w.items
	return s
}

// programs answers a folder with candor and claimers. The long form builds them anew, without the race detector, under which SQLite is too
// slow for so many items.
func programs(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if long() {
		self = filepath.Join(bin, "tests")
		if out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", self, ".").CombinedOutput(); err != nil {
			t.Fatalf("go test -c: %v\n%s", err, out)
		}
	}
	for _, name := range [...]string{"candor", "claimers"} {
		if err := os.Symlink(self, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	return bin
}

// serve starts a gateway, which ends with the test.
func (s *several) serve(config string) *process {
	s.t.Helper()
	p, err := startProgram(filepath.Join(s.bin, "candor"), config)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(p.kill)
	return p
}

func (s *several) killGateway(i int) {
	s.gateways[i].kill()
	s.gateways[i] = s.serve(s.configs[i])
}

// stopGateways ends them in good order.
func (s *several) stopGateways() {
	s.t.Helper()
	for _, g := range s.gateways {
		if err := g.interrupt(); err != nil {
			s.t.Errorf("candor serve: %v\n%s", err, g.log())
		}
	}
}

// work lets claimers work until every item has a verdict, and calls what happens after so many verdicts, in that order.
func (s *several) work(after map[int]func()) {
	s.t.Helper()
	s.began = time.Now()
	_, every := severalSize()
	var ended sync.WaitGroup
	var stops []io.Closer
	for i := range claimerProcesses {
		order := claimersOrder{Taker: personName(allPeople + i), LetGo: every}
		for j := range peopleInEach {
			order.People = append(order.People, personName(i*peopleInEach+j))
		}
		for _, g := range s.gateways {
			order.Addresses = append(order.Addresses, g.grpc)
		}
		cmd := exec.CommandContext(s.t.Context(), filepath.Join(s.bin, "claimers"))
		cmd.Stderr = os.Stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			s.t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			s.t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			s.t.Fatal(err)
		}
		if err := json.NewEncoder(in).Encode(order); err != nil {
			s.t.Fatal(err)
		}
		stops = append(stops, in)
		ended.Go(func() {
			s.listen(out)
			if err := cmd.Wait(); err != nil {
				s.t.Errorf("claimers: %v", err)
			}
		})
	}
	for n := 1; n < len(s.items); n++ {
		if happens := after[n]; happens != nil && s.await(n) {
			happens()
		}
	}
	s.await(len(s.items))
	for _, stop := range stops {
		_ = stop.Close() // it may have ended by itself
	}
	ended.Wait()
}

// severalPatience bounds a test that would never end.
const severalPatience = 6 * time.Minute

// await waits for so many verdicts. It says whether there are.
func (s *several) await(verdicts int) bool {
	s.t.Helper()
	timeout := time.After(severalPatience - time.Since(s.began))
	for {
		s.mu.Lock()
		n, changed := len(s.verdicts), s.changed
		s.mu.Unlock()
		if n >= verdicts || s.t.Failed() {
			return n >= verdicts
		}
		select {
		case <-changed:
		case <-timeout:
			s.t.Errorf("after %v there are %d verdicts, not %d", severalPatience, n, verdicts)
			return false
		}
	}
}

// listen notes what a process of claimers was told by gateways.
func (s *several) listen(out io.Reader) {
	for lines := json.NewDecoder(out); ; {
		var l said
		if err := lines.Decode(&l); err != nil {
			if err != io.EOF {
				s.t.Errorf("claimers: %v", err)
			}
			return
		}
		s.note(l)
	}
}

func (s *several) note(l said) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := fmt.Sprintf("%s epoch %d", l.Item, l.Epoch)
	switch l.What {
	case "claim":
		s.claims++
		if other, twice := s.holders[key]; twice {
			s.t.Errorf("%s was given to %s and to %s", key, other, l.Person)
		}
		s.holders[key] = l.Person
	case "verdict":
		if other, twice := s.verdicts[l.Item]; twice {
			s.t.Errorf("%s was resolved by %s with epoch %d and by %s with epoch %d", l.Item, other.Person, other.Epoch, l.Person, l.Epoch)
		}
		if s.holders[key] != l.Person {
			s.t.Errorf("%s was resolved by %s, and claimed by %q", key, l.Person, s.holders[key])
		}
		s.verdicts[l.Item] = l
	case "refused":
		s.refused[l.Label]++
	default:
		s.t.Errorf("%s: %s", l.Person, l.Label)
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

// severalStore is what a test reads when all gateways have ended.
type severalStore interface {
	Finals(ctx context.Context, after uint64, limit int) ([]review.Final, error)
	Close(ctx context.Context) error
}

// check holds what was acknowledged against what is stored, and closes the store.
func (s *several) check(store severalStore) {
	s.t.Helper()
	took := time.Since(s.began)
	seen := map[string]bool{}
	for after := uint64(0); ; {
		page, err := store.Finals(s.t.Context(), after, 1000)
		if err != nil {
			s.t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, f := range page {
			after = f.Position
			name := review.Name(f.Item.ID)
			v, ok := s.verdicts[name]
			if !ok || seen[name] || !s.items[name] || f.Item.Verdict.GetLabel() != v.Label || f.Item.Verdict.GetAuthor() != v.Person || f.Item.Epoch != v.Epoch {
				s.t.Errorf("%s, in the feed before: %t, is %q by %s with epoch %d; acknowledged was %+v", name, seen[name], f.Item.Verdict.GetLabel(),
					f.Item.Verdict.GetAuthor(), f.Item.Epoch, v)
			}
			seen[name] = true
		}
	}
	for name := range s.items {
		if !seen[name] {
			s.t.Errorf("%s has no final answer: it is lost", name)
		}
	}
	if s.refused[candorv1.ErrorReason_ERROR_REASON_STALE_LEASE.String()] == 0 {
		s.t.Error("no verdict came with an epoch that had passed: this shows too little")
	}
	if err := store.Close(context.Background()); err != nil {
		s.t.Error(err)
	}
	s.t.Logf("%d items, %d people in %d processes, %d gateways: %d claims and %d verdicts in %v; too late and refused: %v",
		len(s.items), allPeople, claimerProcesses, len(s.gateways), s.claims, len(s.verdicts), took.Round(time.Millisecond), s.refused)
}

package storetest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/calibration"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Artefacts is what the suite tests of the store of artefacts; gateway.Artefacts has the contract.
type Artefacts interface {
	PutArtefact(ctx context.Context, a *candorv1.Artefact) (*candorv1.Artefact, error)
	GetArtefact(ctx context.Context, name string, version uint32) (*candorv1.Artefact, error)
	ListArtefacts(ctx context.Context) ([]*candorv1.Artefact, error)
}

var artefactTests = []test{
	{"artefacts get versions, and stay", testArtefacts},
	{"the same artefact is one version", testSameArtefact},
	{"versions of many at once have no gap", testArtefactRace},
	{"what is no artefact is refused", testNoArtefact},
}

func artefact(name string, temperature float64) *candorv1.Artefact {
	return &candorv1.Artefact{
		Name: name, Author: "ana",
		Scope: &candorv1.ArtefactScope{Model: "digits", Version: "1", Kind: candorv1.ScoreKind_SCORE_KIND_PROBABILITY, Labels: []string{"a", "b"}},
		Data:  &candorv1.DataSet{Sha256: "00", Rows: 100, Source: "held-out.csv"},
		Body:  &candorv1.Artefact_Temperature{Temperature: &candorv1.Temperature{Temperature: temperature}},
	}
}

func putArtefact(t *testing.T, d Driver, a *candorv1.Artefact) *candorv1.Artefact {
	t.Helper()
	stored, err := d.PutArtefact(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

func testArtefacts(t *testing.T, d Driver) {
	if all, err := d.ListArtefacts(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("an empty store: %v, %v", all, err)
	}
	before := d.Now()
	given := artefact("b", 1.5)
	// The store sets these.
	given.Version = 77
	one := putArtefact(t, d, given)
	if given.GetVersion() != 77 || one.GetVersion() != 1 || one.GetCreateTime().AsTime().Before(before) || one.GetCreateTime().AsTime().After(d.Now()) {
		t.Errorf("stored %v of %v", one, given)
	}
	two, other := putArtefact(t, d, artefact("b", 2)), putArtefact(t, d, artefact("a", 1.5))
	if two.GetVersion() != 2 || other.GetVersion() != 1 {
		t.Errorf("versions %d, %d; want 2, 1", two.GetVersion(), other.GetVersion())
	}
	d = d.Reopen(t)
	for _, tc := range []struct {
		name    string
		version uint32
		want    *candorv1.Artefact
	}{{"b", 1, one}, {"b", 2, two}, {"b", 0, two}, {"a", 0, other}, {"a", 2, nil}, {"c", 0, nil}, {"", 0, nil}} {
		got, err := d.GetArtefact(t.Context(), tc.name, tc.version)
		if tc.want == nil {
			if !errors.Is(err, calibration.ErrNoArtefact) {
				t.Errorf("%s@%d: %v, %v; want ErrNoArtefact", tc.name, tc.version, got, err)
			}
			continue
		}
		if err != nil || !proto.Equal(got, tc.want) {
			t.Errorf("%s@%d: %v, %v; want %v", tc.name, tc.version, got, err, tc.want)
		}
	}
	all, err := d.ListArtefacts(t.Context())
	if err != nil || len(all) != 3 || !proto.Equal(all[0], other) || !proto.Equal(all[1], one) || !proto.Equal(all[2], two) {
		t.Errorf("all: %v, %v", all, err)
	}
}

func testSameArtefact(t *testing.T, d Driver) {
	first := putArtefact(t, d, artefact("x", 1))
	putArtefact(t, d, artefact("x", 2))
	again := artefact("x", 1)
	again.Author = "omar"
	if got := putArtefact(t, d, again); !proto.Equal(got, first) {
		t.Errorf("the same again: %v, want %v", got, first)
	}
	for what, edit := range map[string]func(*candorv1.Artefact){
		"another scope":    func(a *candorv1.Artefact) { a.Scope.Version = "2" },
		"another data set": func(a *candorv1.Artefact) { a.Data.Sha256 = "11" },
		"another body": func(a *candorv1.Artefact) {
			a.Body = &candorv1.Artefact_Platt{Platt: &candorv1.Platt{A: 1}}
		},
	} {
		a := artefact("x", 1)
		edit(a)
		if got := putArtefact(t, d, a); got.GetVersion() < 3 {
			t.Errorf("%s: version %d", what, got.GetVersion())
		}
	}
}

func testArtefactRace(t *testing.T, d Driver) {
	const writers = 8
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for range 2 {
				if _, err := d.PutArtefact(t.Context(), artefact("x", float64(i+1))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	all, err := d.ListArtefacts(t.Context())
	if err != nil || len(all) != writers {
		t.Fatalf("%d artefacts, %v", len(all), err)
	}
	for i, a := range all {
		if a.GetVersion() != uint32(i+1) {
			t.Errorf("version %d at %d", a.GetVersion(), i)
		}
	}
}

func testNoArtefact(t *testing.T, d Driver) {
	for what, edit := range map[string]func(*candorv1.Artefact){
		"no name":  func(a *candorv1.Artefact) { a.Name = "" },
		"no scope": func(a *candorv1.Artefact) { a.Scope = nil },
		"no data":  func(a *candorv1.Artefact) { a.Data = nil },
		"no body":  func(a *candorv1.Artefact) { a.Body = nil },
	} {
		a := artefact("x", 1)
		edit(a)
		if got, err := d.PutArtefact(t.Context(), a); err == nil {
			t.Errorf("%s: stored as %v", what, got)
		}
	}
	if all, err := d.ListArtefacts(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("stored %v, %v", all, err)
	}
}

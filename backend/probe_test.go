package backend

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/candor-gateway/candor/internal/oiptest"
)

func TestReady(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	b := dial(t, digitsConfig(server.Addr()), Options{})
	if !b.Ready(t.Context()) {
		t.Error("not ready")
	}
	server.SetReady(false)
	eventually(t, "not ready", func() bool { return !b.Ready(t.Context()) })
	server.SetReady(true)
	eventually(t, "ready", func() bool { return b.Ready(t.Context()) })
	server.Kill()
	eventually(t, "not ready when dead", func() bool { return !b.Ready(t.Context()) })
}

func TestReadyGivesUpWithItsCaller(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	server.Hang()
	b := dial(t, digitsConfig(server.Addr()), Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if b.Ready(ctx) {
		t.Error("ready without an answer")
	}
	if _, err := b.Metadata(ctx); err == nil || failureOf(t, err).Class != Excluded {
		t.Errorf("metadata: %v", err)
	}
}

func TestMetadata(t *testing.T) {
	server := oiptest.Start(t, oiptest.Model{
		Name: "digits", Inputs: []oiptest.TensorSpec{{Name: "x", Datatype: "FP32", Shape: []int64{-1, 2}}}, Infer: oiptest.Const(1, 0),
	})
	b := dial(t, digitsConfig(server.Addr()), Options{})
	m, err := b.Metadata(t.Context())
	if err != nil || len(m.GetInputs()) != 1 || m.GetInputs()[0].GetName() != "x" {
		t.Fatalf("metadata %v, %v", m, err)
	}
	server.Kill()
	if again, err := b.Metadata(t.Context()); err != nil || again != m {
		t.Errorf("not kept: %v, %v", again, err)
	}

	cfg := digitsConfig(server.Addr())
	cfg.Timeout = durationpb.New(time.Second)
	dead := dial(t, cfg, Options{})
	_, err = dead.Metadata(t.Context())
	if f := failureOf(t, err); f == nil || f.Class != Failed || f.Backend != "primary" {
		t.Errorf("failure %+v", f)
	}
}

func TestRecentAsksOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := recent[int]{ttl: time.Minute}
		asked := 0
		fetch := func() (int, error) {
			asked++
			time.Sleep(time.Second)
			return asked, nil
		}
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if v, err := r.get(t.Context(), fetch); v != 1 || err != nil {
					t.Errorf("%d, %v", v, err)
				}
			})
		}
		all.Wait()
		time.Sleep(59 * time.Second)
		if v, _ := r.get(t.Context(), fetch); v != 1 {
			t.Errorf("asked again within its time: %d", v)
		}
		time.Sleep(2 * time.Second)
		if v, _ := r.get(t.Context(), fetch); v != 2 {
			t.Errorf("not asked again after its time: %d", v)
		}
	})
}

func TestRecentKeepsErrorsShortly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := recent[int]{ttl: time.Minute}
		asked := 0
		fetch := func() (int, error) { asked++; return 0, errors.New("down") }
		for range 10 {
			if _, err := r.get(t.Context(), fetch); err == nil {
				t.Error("no error")
			}
		}
		if asked != 1 {
			t.Errorf("asked %d times at once", asked)
		}
		time.Sleep(errorTTL + 1)
		if _, err := r.get(t.Context(), fetch); err == nil || asked != 2 {
			t.Errorf("asked %d times, %v", asked, err)
		}
	})
}

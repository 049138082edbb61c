package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/calibration/certificate"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
	"github.com/candor-gateway/candor/store/sqlite"
	"github.com/candor-gateway/candor/store/storetest"
)

// judgeStore is set in the environment of a process that judges audits until it is killed: the store it serves from.
const judgeStore = "CANDOR_TEST_JUDGE_STORE"

// killKey is the key that the evidence is for. Its alarm stays quiet.
func killKey() *candorv1.CertificateKey {
	key := storetest.Key("m", "small")
	key.MaxRows, key.AlarmRunLength = 2, 1e12
	return key
}

// verdictOf a reviewer's turn: some are errors.
func verdictOf(n int) string {
	if n%7 == 0 {
		return "b"
	}
	return "a"
}

// TestJudgingChild isn't a test: it's the process that TestKillCertificates starts and kills. It says what it is about to judge, and
// what has been acknowledged.
func TestJudgingChild(t *testing.T) {
	path := os.Getenv(judgeStore)
	if path == "" {
		t.Skip("runs in a child process of TestKillCertificates only")
	}
	ctx := context.Background()
	s, err := sqlite.Open(ctx, path, identity, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	states, err := s.OpenCertificates(ctx, []certificate.Opening{{Key: killKey()}})
	if err != nil {
		t.Fatal(err)
	}
	id := certificate.ID(states[0])
	say := func(format string, args ...any) { fmt.Fprintf(os.Stdout, "ack "+format+"\n", args...) }
	var wg sync.WaitGroup
	for c := range 4 {
		wg.Go(func() {
			holder := fmt.Sprintf("reviewer-%d", c)
			for n := 0; ; n++ {
				rec, items := storetest.Audit(s.Now(), id, 2)
				if err := s.Record(ctx, rec, items); err != nil {
					panic(err)
				}
				for range 2 {
					it, err := s.Next(ctx, review.Claim{Queue: "q", Holder: holder, Now: s.Now(), LeaseFor: hour})
					if err != nil {
						panic(err)
					}
					label := verdictOf(n)
					say("try %s %s %d %s", it.ID, holder, it.Epoch, label)
					if _, err := storetest.Finish(ctx, s, it.ID, attempt(it.ID, holder, it.Epoch, label, s.Now()), released); err != nil {
						panic(err)
					}
					say("verdict %s %s", it.ID, label)
				}
			}
		})
	}
	wg.Wait()
}

func hour(string) time.Duration { return time.Hour }

var released = review.Gated{Release: candorv1.ReleaseState_RELEASE_STATE_RELEASED}

func attempt(id, holder string, epoch uint64, label string, now time.Time) review.Resolve {
	return review.Resolve{
		Lease: review.Lease{Holder: holder, Epoch: epoch}, Now: now, Verdict: storetest.Verdict(label), RequestID: "r-" + id,
	}
}

// TestKillCertificates kills a process again and again while verdicts are on their way. What is stored must be the evidence of the
// stored verdicts, each once; what was acknowledged must be among them; and what wasn't can be sent again.
func TestKillCertificates(t *testing.T) {
	if os.Getenv(judgeStore) != "" {
		t.Skip("this is the child")
	}
	path := initialised(t)
	verdicts := map[string]string{}
	var unheard int
	for round, enough := range []int{301, 2, 120, 603, 77} {
		tries := map[string]review.Resolve{}
		runAndKill(t, "TestJudgingChild", judgeStore+"="+path, enough, func(f []string) {
			switch f[0] {
			case "try":
				var epoch uint64
				if _, err := fmt.Sscan(f[3], &epoch); err != nil {
					t.Fatal(err)
				}
				tries[f[1]] = attempt(f[1], f[2], epoch, f[4], time.Time{})
			case "verdict":
				delete(tries, f[1])
				verdicts[f[1]] = f[2]
			}
		})
		d := open(t, path, sqlite.Options{})
		compareWithStored(t, d, verdicts)
		for id, r := range tries {
			unheard++
			for range 2 {
				r.Now = d.Now()
				done, err := storetest.Finish(t.Context(), d, id, r, released)
				if err != nil {
					t.Fatalf("round %d: item %s, sent again: %v", round, id, err)
				}
				verdicts[id] = done.Verdict.GetLabel()
			}
		}
		before := compareWithStored(t, d, verdicts)
		for id := range tries { // and once more, after all of them
			r := tries[id]
			r.Now = d.Now()
			if _, err := storetest.Finish(t.Context(), d, id, r, released); err != nil {
				t.Fatal(err)
			}
		}
		if after := compareWithStored(t, d, verdicts); !proto.Equal(before, after) {
			t.Errorf("round %d: verdicts that were sent again count again", round)
		}
		if report, err := d.VerifyLog(t.Context()); err != nil || report.Fault() != nil {
			t.Errorf("the log: %v, %v", report.Fault(), err)
		}
		if err := d.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
	if len(verdicts) < 300 || unheard == 0 {
		t.Errorf("%d verdicts, of which %d were not acknowledged; the test shows too little", len(verdicts), unheard)
	}
}

// compareWithStored checks that the certificate's state is what the stored verdicts make, and that every verdict that is known is
// among them.
func compareWithStored(t *testing.T, d driver, verdicts map[string]string) *candorv1.CertificateState {
	t.Helper()
	states, err := d.Certificates(t.Context(), "", true)
	if err != nil || len(states) != 1 {
		t.Fatalf("%d certificates (%v), want 1", len(states), err)
	}
	opened, err := certificate.Open(killKey(), 1, nil, states[0].GetOpenedUs())
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	want := storetest.Replay(t, d, opened, func(it review.Item) {
		if label, ok := verdicts[it.ID]; ok {
			found++
			if it.Verdict.GetLabel() != label {
				t.Errorf("item %s has the verdict %v; known is %q", it.ID, it.Verdict, label)
			}
		}
	})
	if found != len(verdicts) {
		t.Errorf("%d of %d verdicts are there", found, len(verdicts))
	}
	if got := storetest.Timeless(states[0]); !proto.Equal(storetest.Timeless(want), got) {
		t.Errorf("the state is\n%v\nand the stored verdicts make\n%v", got, storetest.Timeless(want))
	}
	return states[0]
}

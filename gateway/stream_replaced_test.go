package gateway

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/candor-gateway/candor/backend"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// silentStream is a client's stream to a model server that takes requests and never answers, with one of each plan's on it.
func silentStream(t *testing.T, of *clientStream, plans ...*plan) *backend.Stream {
	t.Helper()
	server := oiptest.Start(t, oiptest.Model{Name: "m", Version: "1"})
	server.ScriptStream(func(st *oiptest.Stream) error {
		<-st.Context().Done()
		return st.Context().Err()
	})
	b := backendAt(t, server.Addr())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // so that a test that waits for nothing fails by itself
	t.Cleanup(cancel)
	stream, failure := b.OpenStream(ctx, time.Minute, new(backend.Turn))
	if failure != nil {
		t.Fatal(failure)
	}
	t.Cleanup(stream.Close)
	stream.Expect(0)
	l := &lane{s: of, primary: b, stream: stream}
	for _, pl := range plans {
		q := askedAs(t.Context(), "x")
		q.template.model.plan = pl
		l.asked = append(l.asked, q)
	}
	of.opened(stream, l)
	return stream
}

// The time of a plan that was replaced ends, also of one that the stream was never told of: streams that its requests are on are given up, with
// the reason, and no others.
func TestTimeOfReplacedPlansEnds(t *testing.T) {
	g, _ := quiet()
	s := &clientStream{g: g, ctx: t.Context(), outer: t.Context(), open: map[*backend.Stream]*lane{}, leaving: map[*plan]*time.Timer{}}
	s.cancel = func(err error) { t.Errorf("the client's stream ended: %v", err) }
	cfg := &candorv1.Config{Listen: &candorv1.Listen{DrainTimeout: durationpb.New(20 * time.Millisecond)}}
	told, moment, now := &plan{cfg: cfg}, &plan{cfg: cfg}, &plan{cfg: cfg}
	first := silentStream(t, s, told)
	second := silentStream(t, s, moment, now)
	third := silentStream(t, s, now)
	ended := make(chan string, 3)
	for _, stream := range []*backend.Stream{first, second, third} {
		go func() {
			_, failure := stream.Recv()
			ended <- failure.Error()
		}()
	}
	s.replaced(told, now)
	for range 2 {
		if why := <-ended; !strings.Contains(why, "was replaced, and 20ms later the model was still answering") {
			t.Errorf("ended with %q", why)
		}
	}
	s.openMu.Lock()
	left := len(s.leaving)
	s.openMu.Unlock()
	if left != 0 {
		t.Errorf("%d plans have time left", left)
	}
	third.Close()
	if why := <-ended; strings.Contains(why, "was replaced") {
		t.Errorf("a stream without requests of a replaced plan ended: %s", why)
	}
}

// With the client's stream the time of what it holds of replaced plans ends, too: nothing is left to fire.
func TestNoTimeIsLeftAfterTheStream(t *testing.T) {
	g := plainGateway(t)
	s := &clientStream{g: g, outer: t.Context(), requests: make(chan handed), lanes: map[string]*lane{}, open: map[*backend.Stream]*lane{}}
	s.ctx, s.cancel = context.WithCancelCause(t.Context())
	defer s.cancel(nil)
	timer := time.AfterFunc(time.Hour, func() {})
	s.leaving = map[*plan]*time.Timer{{}: timer}
	close(s.requests)
	if err := s.serve(); err != nil {
		t.Fatal(err)
	}
	if timer.Stop() {
		t.Error("a replaced plan had time left")
	}
}

package gateway_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// Each route on one stream, for requests one after another: the answers are those that ModelInfer gives, with their place.
func TestStreamRoutes(t *testing.T) {
	w := start(t)
	c := w.openStream()
	c.ask("one", [][4]float32{sureRow})
	first := c.next()
	if first.resp.GetId() != "one" || first.resp.GetModelName() != "fraud" || first.param("candor_route") != "ACCEPT" ||
		first.param("candor_response_index") != "0" || first.param("candor_answered_by") != "primary" {
		t.Fatalf("%v", first.resp)
	}
	if !first.resp.GetParameters()[oiptest.FinalParam].GetBoolParam() {
		t.Errorf("not marked as the last: %v", first.resp)
	}
	c.ask("two", [][4]float32{fallbackRow})
	second := c.next()
	if second.resp.GetId() != "two" || second.param("candor_route") != "FALLBACK" || second.param("candor_answered_by") != "both" {
		t.Fatalf("%v", second.resp)
	}
	c.ask("three", [][4]float32{deferredRow})
	message, third := c.told("DEFERRED_TO_REVIEW")
	item := third.param("candor_review_item")
	if third.resp.GetId() != "three" || !strings.HasPrefix(item, "reviewItems/") || !strings.Contains(message, item) ||
		!strings.HasPrefix(message, "DEFERRED_TO_REVIEW: ") || !strings.Contains(message, third.param("candor_prediction_id")) {
		t.Fatalf("%q %v", message, third.resp)
	}
	if len(third.resp.GetOutputs()) > 0 || third.param("candor_error_code") != fmt.Sprint(int(codes.FailedPrecondition)) ||
		third.param("candor_state") != "PENDING" {
		t.Errorf("%v", third.resp)
	}
	// A client that understands routes gets the rest of its batch.
	c.ask("four", [][4]float32{sureRow, deferredRow, fallbackRow}, "candor_route", "probabilities")
	fourth := c.next()
	if got := fourth.texts(t, "candor_route"); !slices.Equal(got, []string{"ACCEPT", "DEFER", "FALLBACK"}) {
		t.Errorf("routes %v", got)
	}
	c.end()

	ids := map[string]bool{}
	for _, a := range []answer{first, second, third, fourth} {
		id := a.param("candor_prediction_id")
		ids[id] = true
		if stored := w.explain(id); len(stored.GetPredictions()) == 0 {
			t.Errorf("%s can't be explained", id)
		}
	}
	if len(ids) != 4 || w.primary.Streams() != 1 || w.primary.Calls() != 4 {
		t.Errorf("%d predictions, %d streams, %d requests", len(ids), w.primary.Streams(), w.primary.Calls())
	}
	if w.claim(reviewerToken, item).GetName() != item {
		t.Errorf("no item %s", item)
	}
}

// What a request that is only forwarded brings back is what the model server sent, byte for byte, with our parameters behind it.
func TestStreamIsByteExact(t *testing.T) {
	w := start(t)
	sent := make(chan []byte, 1)
	w.primary.ScriptStream(func(st *oiptest.Stream) error {
		req, err := st.Recv()
		if err != nil {
			return err
		}
		resp := reply(st.Context(), req)
		resp.ModelName = "fraud"
		resp.ProtoReflect().SetUnknown([]byte("\xfa\x3e\x04kept"))
		b, err := proto.Marshal(oiptest.Mark(resp, true))
		if err != nil {
			return err
		}
		sent <- b
		return st.Send(resp)
	})
	c := w.openStream()
	c.ask("x", [][4]float32{sureRow})
	got := c.next().resp
	for k := range got.GetParameters() {
		if strings.HasPrefix(k, "candor_") {
			delete(got.Parameters, k)
		}
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	want := new(inference.ModelInferResponse)
	if err := proto.Unmarshal(<-sent, want); err != nil {
		t.Fatal(err)
	}
	if wantBytes, _ := (proto.MarshalOptions{Deterministic: true}).Marshal(want); string(b) != string(wantBytes) {
		t.Errorf("got  %q\nwant %q", b, wantBytes)
	}
	c.end()
}

// Answers find their requests by id, in whatever order they come, whether the client gave ids that can tell them apart or not.
func TestStreamInterleaved(t *testing.T) {
	w := start(t)
	w.primary.ScriptStream(func(st *oiptest.Stream) error {
		var reqs []*inference.ModelInferRequest
		for range 4 {
			req, err := st.Recv()
			if err != nil {
				return err
			}
			reqs = append(reqs, req)
		}
		seen := map[string]bool{}
		for _, i := range []int{2, 0, 3, 1, 1, 3, 2, 0} {
			if err := st.Send(oiptest.Mark(reply(st.Context(), reqs[i]), seen[reqs[i].GetId()])); err != nil {
				return err
			}
			seen[reqs[i].GetId()] = true
		}
		if len(seen) != 4 {
			return fmt.Errorf("ids %v", seen)
		}
		_, err := st.Recv()
		if err == nil {
			return fmt.Errorf("a fifth request")
		}
		return nil
	})
	c := w.openStream()
	// Which request it was is told by the score.
	scores := []float32{.91, .92, .93, .94}
	for i, id := range []string{"twice", "twice", "", "once"} {
		c.ask(id, [][4]float32{row(scores[i], .5, .5)})
	}
	for n, want := range []struct {
		id    string
		score float32
		index string
	}{
		{"", .93, "0"}, {"twice", .91, "0"}, {"once", .94, "0"}, {"twice", .92, "0"},
		{"twice", .92, "1"}, {"once", .94, "1"}, {"", .93, "1"}, {"twice", .91, "1"},
	} {
		a := c.next()
		if got := a.floats(t, "probabilities")[1]; a.resp.GetId() != want.id || got != want.score || a.param("candor_response_index") != want.index {
			t.Errorf("%d: id %q, score %v, index %s; want %v", n, a.resp.GetId(), got, a.param("candor_response_index"), want)
		}
	}
	c.end()
}

// A server that doesn't repeat ids, nor marks the last response, answers in order.
func TestStreamWithoutIDs(t *testing.T) {
	w := start(t)
	w.primary.ScriptStream(func(st *oiptest.Stream) error {
		var reqs []*inference.ModelInferRequest
		for range 3 {
			req, err := st.Recv()
			if err != nil {
				return err
			}
			reqs = append(reqs, req)
		}
		for _, req := range reqs {
			resp := reply(st.Context(), req)
			resp.Id = ""
			if err := st.Send(resp); err != nil {
				return err
			}
		}
		_, err := st.Recv()
		if err == nil {
			return fmt.Errorf("a fourth request")
		}
		return nil
	})
	c := w.openStream()
	for _, id := range []string{"a", "b", "c"} {
		c.ask(id, [][4]float32{sureRow})
	}
	for _, id := range []string{"a", "b", "c"} {
		if a := c.next(); a.resp.GetId() != id || a.param("candor_route") != "ACCEPT" {
			t.Errorf("want %s: %v", id, a.resp)
		}
	}
	c.end()
}

// An answer that could be anybody's is nobody's: the requests take their routes, and nobody gets another's answer.
func TestStreamOfSomebodyElse(t *testing.T) {
	w := start(t)
	w.primary.ScriptStream(func(st *oiptest.Stream) error {
		var last *inference.ModelInferRequest
		for range 2 {
			req, err := st.Recv()
			if err != nil {
				return err
			}
			last = req
		}
		resp := reply(st.Context(), last)
		resp.Id = "who?"
		if err := st.Send(resp); err != nil {
			return err
		}
		<-st.Context().Done()
		return nil
	})
	c := w.openStream()
	c.ask("a", [][4]float32{row(.99, .02, .5)})
	c.ask("b", [][4]float32{row(.99, .97, .5)})
	for _, want := range []string{"good", "bad"} {
		a := c.next()
		if a.param("candor_answered_by") != "both" || a.texts(t, "label")[0] != want || !strings.Contains(a.param("candor_reasons"), "CONTRACT_FAILURE") {
			t.Errorf("%v", a.resp)
		}
	}
	// With one request outstanding there is no doubt.
	w.primary.ScriptStream(func(st *oiptest.Stream) error {
		req, err := st.Recv()
		if err != nil {
			return err
		}
		resp := reply(st.Context(), req)
		resp.Id = "who?"
		return st.Send(oiptest.Mark(resp, true))
	})
	c.ask("c", [][4]float32{sureRow})
	if a := c.next(); a.resp.GetId() != "c" || a.param("candor_answered_by") != "primary" {
		t.Errorf("%v", a.resp)
	}
	c.end()
	if s := w.backend("primary"); s.GetFailures() != 1 || s.GetBreaker() != candorv1.BreakerState_BREAKER_STATE_CLOSED {
		t.Errorf("one stream that lost count is %v", s)
	}
}

// A response after a request's last one is not somebody else's: the one that waits gets an answer of its own.
func TestStreamOneTooMany(t *testing.T) {
	w := start(t)
	w.primary.ScriptStream(func(st *oiptest.Stream) error {
		first, err := st.Recv()
		if err != nil {
			return err
		}
		if err := st.Send(oiptest.Mark(reply(st.Context(), first), true)); err != nil {
			return err
		}
		if _, err := st.Recv(); err != nil {
			return err
		}
		if err := st.Send(oiptest.Mark(reply(st.Context(), first), true)); err != nil {
			return err
		}
		<-st.Context().Done()
		return nil
	})
	c := w.openStream()
	c.ask("a", [][4]float32{row(.99, .5, .5)})
	if a := c.next(); a.resp.GetId() != "a" || a.texts(t, "label")[0] != "bad" {
		t.Errorf("%v", a.resp)
	}
	c.ask("b", [][4]float32{row(.01, .02, .5)})
	if a := c.next(); a.resp.GetId() != "b" || a.texts(t, "label")[0] != "good" || a.param("candor_answered_by") != "both" {
		t.Errorf("%v", a.resp)
	}
	c.end()
	// With nobody waiting, the client hears of it all the same.
	w.primary.ScriptStream(func(st *oiptest.Stream) error {
		first, err := st.Recv()
		if err != nil {
			return err
		}
		resp := oiptest.Mark(reply(st.Context(), first), true)
		if err := st.Send(resp); err != nil {
			return err
		}
		return st.Send(resp)
	})
	c = w.openStream()
	c.ask("a", [][4]float32{sureRow})
	c.next()
	if message, a := c.told("BACKEND_CONTRACT_FAILURE"); a.resp.GetId() != "a" || !strings.Contains(message, "belongs to none of 0 outstanding requests") {
		t.Errorf("%q %v", message, a.resp)
	}
	c.ask("b", [][4]float32{sureRow})
	if a := c.next(); a.resp.GetId() != "b" {
		t.Errorf("%v", a.resp)
	}
	c.end()
}

// A client may ask several models on one stream; each has its own stream behind the gateway.
func TestStreamOfSeveralModels(t *testing.T) {
	w := start(t, "models:\n  fraud:", "models:\n  other: {primary: a, policy: {mode: observe}}\n  fraud:")
	c := w.openStream()
	c.ask("1", [][4]float32{sureRow})
	req := request([][4]float32{row(.5, .75, 0)})
	req.ModelName, req.Id = "other", "2"
	c.send(req)
	got := map[string]answer{}
	for range 2 {
		a := c.next()
		got[a.resp.GetId()] = a
	}
	if got["1"].resp.GetModelName() != "fraud" || got["2"].resp.GetModelName() != "other" || got["2"].floats(t, "probabilities")[1] != .75 {
		t.Errorf("%v", got)
	}
	c.end()
	if w.primary.Streams() != 1 || w.a.Streams() != 1 {
		t.Errorf("%d and %d streams", w.primary.Streams(), w.a.Streams())
	}
}

// The responses to one request are spans of their own in one trace, which the model server was sent when the stream was opened.
func TestStreamSpans(t *testing.T) {
	server := oiptest.Start(t, oiptest.Model{Name: "m", Version: "3", Stream: threeTimes})
	w, s := traced(t, "1", "address: PRIMARY", "address: "+server.Addr())
	c := w.openStream()
	for _, id := range []string{"1", "2"} {
		c.ask(id, [][4]float32{sureRow})
		for range 3 {
			c.next()
		}
	}
	c.end()
	sent := server.History()[0].Metadata.Get("traceparent")
	all := s.exported(w)
	roots, attempts := named(all, "candor.predict"), named(all, "candor.backend")
	if len(roots) != 6 || len(attempts) != 6 {
		t.Fatalf("%d predictions and %d attempts of %d spans", len(roots), len(attempts), len(all))
	}
	traces := map[string]int{}
	for _, root := range roots {
		traces[root.SpanContext.TraceID().String()]++
	}
	for id, n := range traces {
		if n != 3 || len(traces) != 2 {
			t.Errorf("%d predictions in trace %s, %d traces", n, id, len(traces))
		}
	}
	opened := false
	for _, a := range attempts {
		i := slices.IndexFunc(roots, func(root tracetest.SpanStub) bool { return root.SpanContext.SpanID() == a.Parent.SpanID() })
		if i < 0 {
			t.Fatalf("an attempt hangs below %v, which is no prediction", a.Parent.SpanID())
		}
		within(t, a, roots[i])
		opened = opened || len(sent) == 1 && strings.Contains(sent[0], a.SpanContext.TraceID().String()+"-"+a.SpanContext.SpanID().String())
	}
	if !opened {
		t.Errorf("the model server was sent %v, of which there is no span", sent)
	}
}

// Action limits bind on streams as they do on calls.
func TestStreamAndLimits(t *testing.T) {
	w := start(t, withLimit(2, ", on_trip: reject")...)
	c := w.openStream()
	for range 2 {
		c.ask("x", [][4]float32{sureRow})
		if a := c.next(); a.param("candor_action") != "decline" {
			t.Errorf("%v", a.resp)
		}
	}
	c.ask("x", [][4]float32{sureRow})
	if message, a := c.told("ACTION_LIMIT_TRIPPED"); !strings.Contains(message, "limits/declines") || a.param("candor_limit") != "declines" {
		t.Errorf("%q %v", message, a.resp)
	}
	c.ask("x", [][4]float32{goodRow})
	c.next()
	c.end()
	if l := w.limit("declines"); l.GetUsed() != 2 {
		t.Errorf("%v", l)
	}
}

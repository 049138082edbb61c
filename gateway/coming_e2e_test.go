package gateway_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// cutShort is a call whose message stops before its end.
type cutShort struct {
	conn net.Conn
	f    *http2.Framer
	// ended: the gateway has ended it.
	ended bool
}

// next reads a frame.
func (s *cutShort) next() (http2.Frame, error) {
	got, err := s.f.ReadFrame()
	if h, ok := got.(*http2.HeadersFrame); ok && h.StreamEnded() {
		s.ended = true
	}
	return got, err
}

// stall begins a call on a connection of its own, sends all but the last byte of a message of this size, and waits until the gateway has
// read that.
func (w *world) stall(method string, size int) *cutShort {
	w.t.Helper()
	conn, err := net.Dial("tcp", w.addr.GRPC)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	check := func(err error) {
		w.t.Helper()
		if err != nil {
			w.t.Fatal(err)
		}
	}
	_, err = conn.Write([]byte(http2.ClientPreface))
	check(err)
	f := http2.NewFramer(conn, conn)
	s := &cutShort{conn: conn, f: f}
	check(f.WriteSettings())
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, h := range [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":path", method}, {":authority", "x"}, {"content-type", "application/grpc"}, {"te", "trailers"},
	} {
		check(enc.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]}))
	}
	check(f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true}))
	message := binary.BigEndian.AppendUint32([]byte{0}, uint32(size))
	message = append(message, make([]byte, size-1)...)
	// A KiB at a time: grpc-go takes such frames from no pool.
	for piece := range slices.Chunk(message, 1<<10) {
		check(f.WriteData(1, false, piece))
	}
	check(f.WritePing(false, [8]byte{1}))
	for {
		got, err := s.next()
		check(err)
		if p, ok := got.(*http2.PingFrame); ok && p.IsAck() {
			return s
		}
	}
}

// However many clients stop before the end of a large message, what is kept of them stays below half of max_in_flight_bytes; who comes
// with a small message is served, with a large one told to come again, and served when there is room.
func TestMessagesThatStopBeforeTheirEnd(t *testing.T) {
	const limit, size, attackers = 1 << 20, 160 << 10, 40
	for _, method := range []string{"ModelInfer", "ModelStreamInfer"} {
		t.Run(method, func(t *testing.T) {
			w := start(t, "reflection: true", fmt.Sprintf("reflection: true, max_message_bytes: 262144, max_in_flight_bytes: %d", limit))
			var calls []*cutShort
			for range attackers {
				calls = append(calls, w.stall("/inference.GRPCInferenceService/"+method, size))
				if held := w.metric("candor_in_flight_bytes"); held > limit/2 {
					t.Fatalf("%v bytes are held of %d connections", held, len(calls))
				}
			}
			if held, refused := w.metric("candor_in_flight_bytes"), w.metric("candor_receiving_refused_total"); held < limit/4 || int(refused)+int(held)/size != attackers {
				t.Errorf("%v bytes are held and %v calls were refused, of %d of %d bytes", held, refused, attackers, size)
			}
			if a := w.infer(as(clientToken), request([][4]float32{sureRow})); a.err != nil {
				t.Errorf("a small request: %v", a.err)
			}
			large := request(make([][4]float32, size/16))
			err := w.infer(as(clientToken), large).err
			wantError(t, err, codes.ResourceExhausted, "OVERLOADED")
			if details := status.Convert(err).Details(); !slices.ContainsFunc(details, func(d any) bool { _, ok := d.(*errdetails.RetryInfo); return ok }) {
				t.Errorf("it isn't told when to come again: %v", details)
			}
			for _, call := range calls {
				_ = call.conn.Close()
			}
			w.eventually(func() bool { return w.metric("candor_in_flight_bytes") == 0 })
			if a := w.infer(as(clientToken), large); status.Code(a.err) == codes.ResourceExhausted {
				t.Errorf("a large request when there is room: %v", a.err)
			}
		})
	}
}

// Services that anybody may call hold no more than others do: what finds no room is ended there, too.
func TestOpenServicesAreBounded(t *testing.T) {
	const limit, size = 1 << 20, 160 << 10
	for _, method := range []string{
		"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
	} {
		t.Run(method, func(t *testing.T) {
			w := start(t, "reflection: true", fmt.Sprintf("reflection: true, max_message_bytes: 262144, max_in_flight_bytes: %d", limit))
			// One more than there is room for.
			ended := make(chan error, 1+limit/2/size)
			for range cap(ended) {
				s := w.stall(method, size)
				if err := s.conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
					t.Fatal(err)
				}
				go func() {
					var err error
					for !s.ended && err == nil {
						_, err = s.next()
					}
					ended <- err
				}()
			}
			if err := <-ended; err != nil {
				t.Errorf("there are more calls than there is room for, and all go on: %v", err)
			}
		})
	}
}

package soak

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// TestPromise8ByteExact: what the model server gets is, byte for byte, what the client sent, and what the client gets is what the model
// server sent; fields that nobody knows included. What Candor adds stands behind.
func TestPromise8ByteExact(t *testing.T) {
	f := promise(t, 8, "byte-exact",
		"random messages in both forms, with random unknown fields at the message's ends, in its tensors, and fields that stand twice")
	model := oiptest.Start(t, oiptest.Model{Name: "primary"})
	g := serve(t, `
listen: {grpc: "127.0.0.1:0", http: "127.0.0.1:0"}
store: {identity: soak, sqlite: {path: candor.db}}
consumers: {anyone: {identity: {anonymous: true}, models: ["*"]}}
backends:`+patient(backendConfig("primary", model.Addr(), ""))+`
models: {fraud: {primary: primary, policy: {mode: enforce, accept: {threshold: {probability: 0.6}}, answers: [{output: probabilities, fill: scores}]}}}
`)
	conn := g.dial(grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{})))
	rng := rand.New(rand.NewPCG(8, 8))
	var messages, sentBytes int
	for began := time.Now(); time.Since(began) < span()/2 || messages < 200; messages++ {
		raw := rng.IntN(2) == 0
		sent, rows := randomRequest(rng, raw)
		reply := randomResponse(rng, rows, raw)
		model.Script(oiptest.Bytes(reply))
		var got []byte
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		err := conn.Invoke(ctx, inference.GRPCInferenceService_ModelInfer_FullMethodName, &sent, &got)
		cancel()
		if err != nil {
			t.Fatalf("message %d: %v\n%x", messages, err, sent)
		}
		arrived := model.Last().Bytes
		if !bytes.HasPrefix(arrived, sent) || !only(arrived[len(sent):], 1, 2) {
			t.Fatalf("message %d: the model server got\n%x\nof\n%x", messages, arrived, sent)
		}
		if !bytes.HasPrefix(got, reply) || !only(got[len(reply):], 1, 4) {
			t.Fatalf("message %d: the client got\n%x\nof\n%x", messages, got, reply)
		}
		sentBytes += len(sent) + len(reply)
	}
	f.say("messages, both ways equal to the last bit", "%d, %d bytes", messages, sentBytes)
	f.say("appended behind them, and nothing else", "to the model server: its model's name and version; to the client: the model's name, parameters")
}

// only says whether message consists of these fields.
func only(message []byte, fields ...protowire.Number) bool {
	for len(message) > 0 {
		num, _, n := protowire.ConsumeField(message)
		if n < 0 || num != fields[0] && num != fields[1] {
			return false
		}
		message = message[n:]
	}
	return true
}

// rawCodec carries bytes as they are.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

// field appends a length-delimited field.
func field(b []byte, num protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), value)
}

// unknown appends up to three fields that no message of the protocol has.
func unknown(b []byte, rng *rand.Rand) []byte {
	for range rng.IntN(4) {
		num := protowire.Number(100 + rng.IntN(1000))
		switch rng.IntN(4) {
		case 0:
			b = protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), rng.Uint64())
		case 1:
			b = protowire.AppendFixed32(protowire.AppendTag(b, num, protowire.Fixed32Type), rng.Uint32())
		case 2:
			b = protowire.AppendFixed64(protowire.AppendTag(b, num, protowire.Fixed64Type), rng.Uint64())
		default:
			b = field(b, num, random(rng, 40))
		}
	}
	return b
}

func random(rng *rand.Rand, most int) []byte {
	out := make([]byte, rng.IntN(most+1))
	for i := range out {
		out[i] = byte(rng.Uint32())
	}
	return out
}

func appendFloat(b []byte, v float32) []byte {
	return binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
}

// randomRequest is a message that the card allows, and how many rows it has.
func randomRequest(rng *rand.Rand, raw bool) (message []byte, rows int) {
	rows = 1 + rng.IntN(8)
	values := make([]byte, 0, rows*16)
	for range rows * 4 {
		values = binary.LittleEndian.AppendUint32(values, rng.Uint32()) // any bits, NaNs with payloads too
	}
	tensor := unknown(nil, rng)
	tensor = field(tensor, 1, []byte("x"))
	tensor = field(tensor, 2, []byte("FP32"))
	tensor = field(tensor, 3, protowire.AppendVarint(protowire.AppendVarint(nil, uint64(rows)), 4))
	if !raw {
		tensor = field(tensor, 5, field(nil, 6, values))
	}
	tensor = unknown(tensor, rng)
	message = unknown(message, rng)
	if rng.IntN(3) == 0 {
		message = field(message, 3, []byte("an id that is overwritten"))
	}
	message = field(message, 1, []byte("fraud"))
	message = field(message, 3, []byte("id"))
	message = field(message, 5, tensor)
	if raw {
		message = field(message, 7, values)
	}
	return unknown(message, rng), rows
}

// randomResponse is an answer that the model is sure of, in the form of the request: another one is converted for the client, and so
// can't be equal.
func randomResponse(rng *rand.Rand, rows int, raw bool) []byte {
	var values []byte
	for range rows {
		p := .7 + .3*rng.Float32()
		values = appendFloat(appendFloat(values, p), 1-p)
	}
	tensor := field(nil, 1, []byte("probabilities"))
	tensor = field(tensor, 2, []byte("FP32"))
	tensor = field(tensor, 3, protowire.AppendVarint(protowire.AppendVarint(nil, uint64(rows)), 2))
	if !raw {
		tensor = field(tensor, 5, field(nil, 6, values))
	}
	tensor = unknown(tensor, rng)
	message := unknown(nil, rng)
	message = field(message, 1, []byte("primary"))
	message = field(message, 2, []byte("1"))
	message = field(message, 3, []byte("id"))
	message = field(message, 5, tensor)
	if raw {
		message = field(message, 6, values)
	}
	return unknown(message, rng)
}

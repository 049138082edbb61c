package conformance_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math"
	"strings"
)

// tensor is an input, as a client program is told of it.
type tensor struct {
	Name     string  `json:"name"`
	Datatype string  `json:"datatype"`
	Shape    []int64 `json:"shape"`
	// Hex are the raw contents, as often one after another as Times says; 0 is once.
	Hex   string `json:"hex"`
	Times int    `json:"times,omitempty"`
	// DataShape is the true shape of the contents, where Shape is not.
	DataShape []int64 `json:"data_shape,omitempty"`
	// Form overrides the case's: raw, typed, both or none.
	Form string `json:"form,omitempty"`
}

// testCase is one call, which a client makes at the server itself and through Candor.
type testCase struct {
	Name string `json:"name"`
	// Call is infer, stream, bytes (a message that is none), or the name of another method.
	Call        string         `json:"call"`
	Model       string         `json:"model,omitempty"`
	Version     string         `json:"version,omitempty"`
	ID          string         `json:"id,omitempty"`
	Form        string         `json:"form,omitempty"`
	Inputs      []tensor       `json:"inputs"`
	Outputs     []string       `json:"outputs,omitempty"`
	Compression string         `json:"compression,omitempty"`
	Parameters  map[string]any `json:"parameters,omitempty"`
	Priority    int            `json:"priority,omitempty"`
	// Payload is the message in hex, for bytes.
	Payload string `json:"payload"`
	// ExtraRaw are raw contents that belong to no input.
	ExtraRaw []string `json:"extra_raw,omitempty"`
	// Requests on a stream; 0 is one.
	Requests int `json:"requests,omitempty"`

	// good: the server is meant to answer.
	good bool
	// needs is what a client must be able to do for this.
	needs ability
	// asks are metadata tensors that only Candor has: the server itself isn't asked for them.
	asks []string
}

// ability of a client.
type ability string

const (
	anyClient ability = ""
	// typed contents in a request.
	typed ability = "typed"
	// messages: the client's user builds the protobuf message, and can build a wrong one.
	messages ability = "messages"
	// rawBytes: the client's user can send bytes in place of a message.
	rawBytes   ability = "bytes"
	compressed ability = "compression"
	streams    ability = "streams"
	priorities ability = "priorities"
	// doubles: parameters of the kind that half of the servers don't know.
	doubles ability = "doubles"
	// wrongShapes: a shape that isn't that of the contents.
	wrongShapes ability = "wrong shapes"
	// versions: a version in a call that is no inference.
	versions ability = "versions"
	// metadataCalls and tritonCalls are the methods beside inference and readiness.
	metadataCalls ability = "metadata"
	tritonCalls   ability = "Triton's methods"
)

// metadataTensors are what Candor offers beside a model's outputs.
var metadataTensors = []string{"candor_route", "candor_confidence", "candor_answered_by", "candor_decision_id",
	"candor_threshold", "candor_certificate", "candor_sampling_probability"}

// rows are contents of x, four FP32 a row.
func rows(values ...float32) string {
	var b bytes.Buffer
	for _, v := range values {
		b.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
	}
	return hex.EncodeToString(b.Bytes())
}

// The flowers of scikit-learn's own example, one of each kind.
var (
	oneRow    = rows(5.1, 3.5, 1.4, 0.2)
	threeRows = rows(5.1, 3.5, 1.4, 0.2, 7, 3.2, 4.7, 1.4, 6.3, 3.3, 6, 2.5)
)

// x is the input of a classifier and of a stream.
func x(contents string, shape ...int64) tensor {
	return tensor{Name: "x", Datatype: "FP32", Shape: shape, Hex: contents}
}

// bytesElements are raw contents of the type BYTES.
func bytesElements(elements ...string) string {
	var b bytes.Buffer
	for _, e := range elements {
		b.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(e))))
		b.WriteString(e)
	}
	return hex.EncodeToString(b.Bytes())
}

// everyType are the inputs of an identity model: two rows of two elements each, at the ends of what their types hold.
func everyType(bytesContents string) []tensor {
	little := map[string]string{
		"BOOL": "01000001", "UINT8": "00ff017f", "INT8": "80ff007f", "UINT16": "0000ffff01000080", "INT16": "0080ffff0000ff7f",
		"UINT32": "00000000ffffffff0100000000000080", "INT32": "00000080ffffffff00000000ffffff7f",
		"UINT64": "0000000000000000" + "ffffffffffffffff" + "0100000000000000" + "0000000000000080",
		"INT64":  "0000000000000080" + "ffffffffffffffff" + "0000000000000000" + "ffffffffffffff7f",
		// Minus zero, the smallest denormal, an infinity, the largest.
		"FP32":  "00000080" + "01000000" + "0000807f" + "ffff7f7f",
		"FP64":  "0000000000000080" + "0100000000000000" + "000000000000f0ff" + "ffffffffffffef7f",
		"BYTES": bytesContents,
	}
	var ts []tensor
	for _, datatype := range []string{"BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP32", "FP64", "BYTES"} {
		ts = append(ts, tensor{Name: "in_" + strings.ToLower(datatype), Datatype: datatype, Shape: []int64{2, 2}, Hex: little[datatype]})
	}
	return ts
}

var (
	// text survives clients that think of BYTES as UTF-8.
	text = bytesElements("", "a", "naïve", "line\nbreak")
	// binaryText is none.
	binaryText = bytesElements("", "\x00", "\xff\xfe", "\x00a\x00")
)

// without is a copy of the tensors that lacks one.
func without(name string, ts []tensor) []tensor {
	var out []tensor
	for _, t := range ts {
		if t.Name != name {
			out = append(out, t)
		}
	}
	return out
}

// checksOf are all checks at a server, good requests first.
func checksOf(s *server) []testCase {
	all := append(goodRequests(s), badRequests(s)...)
	all = append(all, otherCalls(s)...)
	return append(all, streamed(s)...)
}

package wire

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/gen/inference"
)

// properties and parameters make field 6 in the two forms.
func properties(pairs ...string) []byte {
	var dst []byte
	for i := 0; i < len(pairs); i += 2 {
		dst = appendBytes(dst, metadataField6, appendBytes(appendBytes(nil, 1, pairs[i]), 2, pairs[i+1]))
	}
	return dst
}

func parameters(ps ...Param) []byte {
	var dst []byte
	for _, p := range ps {
		dst = appendParam(dst, metadataField6, p)
	}
	return dst
}

func TestMetadata(t *testing.T) {
	texts := properties("framework", "onnx", "empty", "", "odd", "!12345678")
	params := parameters(StringParam("framework", "onnx"), StringParam("empty", ""), StringParam("odd", "!12345678"))
	for _, tt := range []struct {
		name     string
		data     []byte
		from, to MetadataForm
		want     []byte
	}{
		{"properties stay", texts, MetadataProperties, MetadataProperties, texts},
		{"for who has no such field", texts, MetadataProperties, MetadataNone, texts},
		{"properties to parameters", texts, MetadataProperties, MetadataParameters, params},
		{"of nobody knows whom", texts[:len(properties("framework", "onnx"))], MetadataNone, MetadataParameters, parameters(StringParam("framework", "onnx"))},
		{"parameters stay", params, MetadataParameters, MetadataParameters, params},
		{
			"parameters to properties", parameters(BoolParam("b", false), Int64Param("i", -5), StringParam("s", "x"), Param{Key: "n"}),
			MetadataParameters, MetadataProperties, properties("b", "false", "i", "-5", "s", "x", "n", ""),
		},
		{
			// The server says one thing, and the configuration another: a value that is plainly a parameter counts.
			"parameters of who should have none", parameters(Int64Param("i", 5)), MetadataProperties, MetadataProperties, properties("i", "5"),
		},
		{"an entry that nobody can read", appendBytes(nil, 6, "\x12\xff"), MetadataProperties, MetadataParameters, nil},
		{"not UTF-8", properties("k\xff", "v\xfe"), MetadataProperties, MetadataParameters, parameters(StringParam("k�", "v�"))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// Between fields that nobody knows, which keep their bytes.
			data := append(append(unknown(), tt.data...), unknown()...)
			want := append(append(unknown(), tt.want...), unknown()...)
			if got := Metadata(data, tt.from, tt.to); !bytes.Equal(got, want) {
				t.Errorf("\n%q, want\n%q", got, want)
			}
		})
	}
}

func TestMetadataFormOf(t *testing.T) {
	for want, data := range map[MetadataForm][]byte{
		MetadataNone:       append(properties("k", ""), unknown()...),
		MetadataProperties: properties("k", "v"),
		MetadataParameters: append(properties("k", "v"), parameters(BoolParam("b", true))...),
	} {
		if got := MetadataFormOf(data); got != want {
			t.Errorf("%q: %v, want %v", data, got, want)
		}
	}
}

func TestTensorParameters(t *testing.T) {
	params := appendParam(unknown(), 4, StringParam("content_type", "np"))
	for data, want := range map[string]bool{
		"": false, string(unknown()): false, string(params): true, string(properties("k", "v")): false,
		string(appendBytes(nil, 4, appendBytes(nil, 2, "text"))): false, "\x22\x05x": false,
	} {
		if got := TensorParameters([]byte(data)); got != want {
			t.Errorf("%q: %v", data, got)
		}
	}
}

// FuzzMetadata bridges anything from every form to every form: what was a message stays one, other fields keep their bytes, and a
// second turn to parameters changes nothing more. (A second turn to properties may: a text can look like a parameter.)
func FuzzMetadata(f *testing.F) {
	f.Add(append(properties("framework", "onnx"), unknown()...), uint8(1), uint8(2))
	f.Add(parameters(BoolParam("b", true), Int64Param("i", 1), StringParam("s", "x")), uint8(2), uint8(1))
	f.Add([]byte("2\x04\x12\x02!x"), uint8(0), uint8(2))
	f.Add([]byte("2\x08\x12\x02\x08\x01\x12\x02\x10\x05"), uint8(0), uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, from, to uint8) {
		form := []MetadataForm{MetadataNone, MetadataProperties, MetadataParameters}
		have, want := form[from%3], form[to%3]
		MetadataFormOf(data)
		TensorParameters(data)
		got := Metadata(data, have, want)
		var before, after inference.ModelMetadataResponse
		if err := proto.Unmarshal(data, &before); err != nil {
			return
		}
		if err := proto.Unmarshal(got, &after); err != nil {
			t.Fatalf("no message any more: %v", err)
		}
		if !bytes.Equal(withoutField6(got), withoutField6(data)) {
			t.Fatalf("%q became %q", data, got)
		}
		if want == MetadataParameters {
			if again := Metadata(got, want, want); !bytes.Equal(again, got) {
				t.Fatalf("a second turn made %q of %q", again, got)
			}
		}
	})
}

func withoutField6(data []byte) []byte {
	var dst []byte
	c := cursor{rest: data}
	for c.next() {
		if !c.is(metadataField6, protowire.BytesType) {
			dst = append(dst, c.span...)
		}
	}
	return dst
}

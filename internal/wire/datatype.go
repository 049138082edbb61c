package wire

// Datatype is the element type of a tensor. The zero value is no datatype: it stands for a name that the protocol
// doesn't know.
type Datatype uint8

// The datatypes of the Open Inference Protocol, and BF16, which Triton adds.
const (
	BOOL Datatype = iota + 1
	UINT8
	UINT16
	UINT32
	UINT64
	INT8
	INT16
	INT32
	INT64
	FP16
	FP32
	FP64
	BF16
	BYTES
)

// datatypes lists each datatype's name, the bytes of one raw element (0: elements vary), and the field of
// InferTensorContents that holds it (0: none does, the datatype exists only raw).
var datatypes = [...]struct {
	name    string
	size    int
	content contentField
}{
	BOOL:   {"BOOL", 1, boolContents},
	UINT8:  {"UINT8", 1, uintContents},
	UINT16: {"UINT16", 2, uintContents},
	UINT32: {"UINT32", 4, uintContents},
	UINT64: {"UINT64", 8, uint64Contents},
	INT8:   {"INT8", 1, intContents},
	INT16:  {"INT16", 2, intContents},
	INT32:  {"INT32", 4, intContents},
	INT64:  {"INT64", 8, int64Contents},
	FP16:   {"FP16", 2, 0},
	FP32:   {"FP32", 4, fp32Contents},
	FP64:   {"FP64", 8, fp64Contents},
	BF16:   {"BF16", 2, 0},
	BYTES:  {"BYTES", 0, bytesContents},
}

// ParseDatatype returns the datatype with the given name, spelt as the protocol spells it, in capitals.
func ParseDatatype(name string) (Datatype, bool) {
	for d := BOOL; d <= BYTES; d++ {
		if datatypes[d].name == name {
			return d, true
		}
	}
	return 0, false
}

// String returns the protocol's name of the datatype.
func (d Datatype) String() string {
	if !d.known() {
		return "unknown datatype"
	}
	return datatypes[d].name
}

// Size returns how many bytes one raw element takes, 1 to 8, and 0 for BYTES, whose elements vary.
func (d Datatype) Size() int {
	if !d.known() {
		return 0
	}
	return datatypes[d].size
}

// IsFloat reports whether the elements are floating-point numbers, so that NaN and infinity exist.
func (d Datatype) IsFloat() bool {
	return d == FP16 || d == FP32 || d == FP64 || d == BF16
}

// OnlyRaw reports whether the protocol has no typed contents for this datatype.
func (d Datatype) OnlyRaw() bool { return d.known() && d.content() == 0 }

// content returns the field of InferTensorContents that holds this datatype, 0 if there is none.
func (d Datatype) content() contentField {
	if !d.known() {
		return 0
	}
	return datatypes[d].content
}

func (d Datatype) known() bool { return d >= BOOL && d <= BYTES }

package wire

import (
	"math"
	"math/bits"
	"slices"
)

// The fields that hold raw contents.
const (
	rawInputs  = "raw_input_contents"
	rawOutputs = "raw_output_contents"
)

// Tensor is a view of one input or output tensor: its header, and where its elements lie. Elements are row-major; the
// first dimension counts the rows of a batch.
type Tensor struct {
	Name string
	// Datatype is zero if DatatypeName is none that the protocol knows.
	Datatype Datatype
	// DatatypeName is the datatype as it was sent.
	DatatypeName string
	// Shape holds the dimensions; an empty shape is a scalar, one element.
	Shape []int64
	// Params are the tensor's own parameters, for example Triton's shared_memory_region.
	Params []Param

	// Contents is the encoded InferTensorContents, if HasContents.
	Contents []byte

	// HasRaw: the tensor has an element of raw_input_contents or raw_output_contents (see Raw).
	HasRaw, HasContents bool

	raw rawContents

	// owner and index say where the tensor is, for error messages: "inputs" or "outputs".
	owner string
	index int
	// content is the first field of Contents that has elements, count how many it has, and mixed another such field.
	content contentField
	count   int64
	mixed   contentField
}

// Raw returns this tensor's element of raw_input_contents or raw_output_contents, if HasRaw: little-endian, each BYTES
// element preceded by its length in 4 bytes. It copies contents that lie in several buffers.
func (t *Tensor) Raw() []byte { return t.raw.bytes() }

// Elements returns how many elements the shape claims, which says nothing about how many were sent. It fails on a
// negative dimension and on a product beyond an int64.
func (t *Tensor) Elements() (int64, error) {
	n, err := product(t.Shape)
	if err != nil {
		return 0, within(t.at("shape"), -1, err)
	}
	return n, nil
}

// product returns the number of elements of a shape.
func product(shape []int64) (int64, error) {
	for _, d := range shape {
		if d < 0 {
			return 0, faultf("", "send dimensions of 0 or more", "dimension %d is negative", d)
		}
	}
	if slices.Contains(shape, 0) {
		return 0, nil // no elements, however large the other dimensions are
	}
	n := uint64(1)
	for _, d := range shape {
		high, low := bits.Mul64(n, uint64(d))
		if high != 0 || low > math.MaxInt64 {
			return 0, faultf("", "send the shape of the elements that you send", "the product of %v overflows", shape)
		}
		n = low
	}
	return int64(n), nil
}

// Floats appends every element to dst as a float64, row-major. It reads every datatype but BYTES in both forms; BOOL
// gives 0 and 1, and integers beyond 2^53 are rounded. It fails, leaving dst as it was, if the elements sent aren't as
// many as the shape claims.
func (t *Tensor) Floats(dst []float64) ([]float64, error) {
	r, n, err := t.numbers()
	if err != nil {
		return dst, err
	}
	out, err := t.decode(slices.Grow(dst, int(n)), r)
	if err != nil {
		return dst, err
	}
	return out, nil
}

func (t *Tensor) decode(dst []float64, r run) ([]float64, error) {
	dst, err := r.floats(dst)
	if err != nil {
		return dst, within(t.dataPath(), -1, err)
	}
	return dst, nil
}

// Texts returns every element of a BYTES tensor, in both forms. The elements alias the message.
func (t *Tensor) Texts() ([][]byte, error) {
	r, n, err := t.bytes()
	if err != nil {
		return nil, err
	}
	return r.texts(make([][]byte, 0, n)), nil
}

// numbers returns the elements of a tensor of numbers, checked and counted.
func (t *Tensor) numbers() (run, int64, error) {
	if t.Datatype == BYTES {
		return run{}, 0, t.noNumbers()
	}
	return t.elements()
}

// bytes returns the elements of a BYTES tensor, checked and counted.
func (t *Tensor) bytes() (run, int64, error) {
	if t.Datatype != BYTES {
		return run{}, 0, t.noTexts()
	}
	return t.elements()
}

func (t *Tensor) noNumbers() error {
	return faultf(t.at("datatype"), "", "BYTES elements are no numbers")
}

func (t *Tensor) noTexts() error {
	return faultf(t.at("datatype"), "", "elements of %s are no BYTES", t.DatatypeName)
}

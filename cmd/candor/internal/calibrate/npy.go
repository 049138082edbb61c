package calibrate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// array is a NumPy array of one or two dimensions, row by row. Either numbers or texts has its elements.
type array struct {
	shape   []int
	numbers []float64
	texts   []string
	// whole: the numbers are integers by their type.
	whole bool
}

const npyRemedy = "save scores as float32 or float64 [rows, labels], and labels as integers or text [rows]"

// maxNPYHeader is what a header may take; NumPy's own reader refuses more than 10,000 bytes.
const maxNPYHeader = 10_000

var (
	npyDescr   = regexp.MustCompile(`'descr'\s*:\s*'([<>|=]?)([a-zA-Z])([0-9]{1,6})'`)
	npyFortran = regexp.MustCompile(`'fortran_order'\s*:\s*(True|False)`)
	npyShape   = regexp.MustCompile(`'shape'\s*:\s*\(([0-9, ]*)\)`)
)

// parseNPY reads the format of numpy.lib.format, versions 1 to 3: a magic, a header that is a Python literal, and the elements.
// Little- and big-endian floats and integers, and fixed-width text. No Python object is ever read.
func parseNPY(data []byte) (*array, error) {
	head, body, err := splitNPY(data)
	if err != nil {
		return nil, err
	}
	descr, fortran, shape := npyDescr.FindStringSubmatch(head), npyFortran.FindStringSubmatch(head), npyShape.FindStringSubmatch(head)
	if descr == nil || fortran == nil || shape == nil {
		return nil, fmt.Errorf("its header is %.200q, of which nothing is known but descr, fortran_order and shape", head)
	}
	a := &array{}
	total := 1
	for text := range strings.SplitSeq(shape[1], ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		d, err := strconv.Atoi(text)
		if err != nil || d < 0 || d > maxFile || d > 0 && total > maxFile/d {
			return nil, fmt.Errorf("its shape is (%.100s), which is too large", shape[1])
		}
		a.shape = append(a.shape, d)
		total *= d
	}
	if n := len(a.shape); n < 1 || n > 2 {
		return nil, fmt.Errorf("it has %d dimensions; scores have 2, or 1 for one number a row, and labels 1", n)
	}
	if fortran[1] == "True" && len(a.shape) == 2 && a.shape[0] > 1 && a.shape[1] > 1 {
		return nil, errors.New("it is in Fortran order; save numpy.ascontiguousarray of it")
	}
	size, err := strconv.Atoi(descr[3])
	if err != nil || size < 1 {
		return nil, fmt.Errorf("its elements are %s%s, which have no size", descr[2], descr[3])
	}
	var order binary.ByteOrder = binary.LittleEndian
	if descr[1] == ">" {
		order = binary.BigEndian
	}
	width := size
	if descr[2] == "U" {
		width *= 4
	}
	if want := total * width; total > maxFile/width || len(body) != want {
		return nil, fmt.Errorf("it has %d bytes of elements, its header says %d of %d bytes each; it was cut off, or more was written behind it", len(body), total, width)
	}
	return a, a.read(body, descr[2], size, width, order)
}

// splitNPY answers the header's text and the elements.
func splitNPY(data []byte) (head string, body []byte, err error) {
	rest, ok := bytes.CutPrefix(data, []byte("\x93NUMPY"))
	if !ok || len(rest) < 4 {
		return "", nil, errors.New("it is no .npy file")
	}
	version, rest := rest[0], rest[2:]
	size := 0
	switch {
	case version == 1:
		size, rest = int(binary.LittleEndian.Uint16(rest)), rest[2:]
	case (version == 2 || version == 3) && len(rest) >= 4:
		size, rest = int(binary.LittleEndian.Uint32(rest)), rest[4:]
	default:
		return "", nil, fmt.Errorf("it is of version %d of the format, known are 1 to 3", version)
	}
	if size > maxNPYHeader || size > len(rest) {
		return "", nil, fmt.Errorf("its header is said to have %d bytes; it was cut off, or is no header", size)
	}
	return string(rest[:size]), rest[size:], nil
}

func (a *array) read(body []byte, kind string, size, width int, order binary.ByteOrder) error {
	decode := numberDecoder(kind, size, order)
	if decode == nil && kind != "U" && kind != "S" {
		return fmt.Errorf("its elements are %s%d, which are neither numbers nor text of fixed width", kind, size)
	}
	a.whole = kind != "f"
	for ; len(body) > 0; body = body[width:] {
		if decode != nil {
			a.numbers = append(a.numbers, decode(body))
			continue
		}
		text, err := fixedText(body[:width], kind, order)
		if err != nil {
			return fmt.Errorf("element %d: %w", len(a.texts)+1, err)
		}
		a.texts = append(a.texts, text)
	}
	if kind == "U" || kind == "S" {
		a.whole = false
		if a.texts == nil {
			a.texts = []string{}
		}
	}
	return nil
}

// numberDecoder answers nil for types that are no numbers.
func numberDecoder(kind string, size int, order binary.ByteOrder) func([]byte) float64 {
	switch kind + strconv.Itoa(size) {
	case "f4":
		return func(b []byte) float64 { return float64(math.Float32frombits(order.Uint32(b))) }
	case "f8":
		return func(b []byte) float64 { return math.Float64frombits(order.Uint64(b)) }
	case "i1":
		return func(b []byte) float64 { return float64(int8(b[0])) }
	case "i2":
		return func(b []byte) float64 { return float64(int16(order.Uint16(b))) }
	case "i4":
		return func(b []byte) float64 { return float64(int32(order.Uint32(b))) }
	case "i8":
		return func(b []byte) float64 { return float64(int64(order.Uint64(b))) }
	case "u1", "b1":
		return func(b []byte) float64 { return float64(b[0]) }
	case "u2":
		return func(b []byte) float64 { return float64(order.Uint16(b)) }
	case "u4":
		return func(b []byte) float64 { return float64(order.Uint32(b)) }
	case "u8":
		return func(b []byte) float64 { return float64(order.Uint64(b)) }
	}
	return nil
}

// fixedText reads UTF-32 or bytes, padded with zeros.
func fixedText(b []byte, kind string, order binary.ByteOrder) (string, error) {
	if kind == "S" {
		return string(bytes.TrimRight(b, "\x00")), nil
	}
	var out strings.Builder
	for ; len(b) >= 4; b = b[4:] {
		r := rune(order.Uint32(b))
		if !utf8.ValidRune(r) {
			return "", fmt.Errorf("%#x is no character", uint32(r))
		}
		out.WriteRune(r)
	}
	return strings.TrimRight(out.String(), "\x00"), nil
}

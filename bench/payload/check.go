package payload

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/gen/inference"
)

// Exactly returns a check that takes this answer and no other: for what must pass bytes unchanged.
func Exactly(answer []byte) func(message []byte) error {
	return func(message []byte) error {
		if !bytes.Equal(message, answer) {
			return fmt.Errorf("an answer of %d bytes that is not the model server's of %d bytes", len(message), len(answer))
		}
		return nil
	}
}

// Valid returns a check for a gateway that may append to an answer and exchange rows of it: the model server's answer with
// something behind it, or else, read as a whole, rows × 2 probabilities that sum to one.
func Valid(answer []byte, rows int) func(message []byte) error {
	return func(message []byte) error {
		if bytes.HasPrefix(message, answer) {
			return nil
		}
		return valid(message, rows)
	}
}

func valid(message []byte, rows int) error {
	var m inference.ModelInferResponse
	if err := proto.Unmarshal(message, &m); err != nil {
		return fmt.Errorf("an answer that is no ModelInferResponse: %w", err)
	}
	if len(m.GetOutputs()) != 1 || m.GetOutputs()[0].GetName() != Output || len(m.GetRawOutputContents()) != 1 {
		return errors.New("an answer without the tensor " + Output + " in raw form")
	}
	raw := m.GetRawOutputContents()[0]
	if len(raw) != rows*8 {
		return fmt.Errorf("%d bytes of %s; %d rows have %d", len(raw), Output, rows, rows*8)
	}
	for i := range rows {
		a := math.Float32frombits(binary.LittleEndian.Uint32(raw[8*i:]))
		b := math.Float32frombits(binary.LittleEndian.Uint32(raw[8*i+4:]))
		const tolerance = 1e-3
		if sum := float64(a) + float64(b); !(math.Abs(sum-1) <= tolerance) {
			return fmt.Errorf("row %d has the probabilities %v and %v, which don't sum to 1", i, a, b)
		}
	}
	return nil
}

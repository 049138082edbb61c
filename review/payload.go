package review

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// EncodePayload answers the bytes of a payload as a store keeps them, and their SHA-256, which the decision's record holds.
// Sha256 and Deleted aren't part of the bytes: they say something about them. A payload whose Sha256 is set and isn't that
// of its contents is refused. p stays as it is.
func EncodePayload(p *candorv1.ReviewPayload) ([]byte, [sha256.Size]byte, error) {
	bare := &candorv1.ReviewPayload{Tensors: p.GetTensors()}
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(bare)
	if err != nil {
		return nil, [sha256.Size]byte{}, fmt.Errorf("review: encode a payload: %w", err)
	}
	sum := sha256.Sum256(data)
	if said := p.GetSha256(); said != "" && said != hex.EncodeToString(sum[:]) {
		return nil, [sha256.Size]byte{}, fmt.Errorf("review: payload.sha256 is %s, its contents have %x: leave it empty or "+
			"compute it from the contents", said, sum)
	}
	return data, sum, nil
}

// StoredPayload is EncodePayload for a store: nil of no payload, and never nil of one, since that would mean that it was removed.
func StoredPayload(p *candorv1.ReviewPayload) (data, sum []byte, err error) {
	if p == nil {
		return nil, nil, nil
	}
	encoded, digest, err := EncodePayload(p)
	if err != nil {
		return nil, nil, err
	}
	return append([]byte{}, encoded...), digest[:], nil
}

// DecodePayload is the inverse of EncodePayload; data nil means that the contents were removed.
func DecodePayload(data, sum []byte) (*candorv1.ReviewPayload, error) {
	p := &candorv1.ReviewPayload{}
	if err := proto.Unmarshal(data, p); err != nil {
		return nil, fmt.Errorf("review: decode a payload: %w", err)
	}
	p.Sha256, p.Deleted = hex.EncodeToString(sum), data == nil
	return p, nil
}

package audit

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// idBytes is the length of a UUID as a record holds it.
const idBytes = 16

// Encode answers the bytes of a record that the chain covers. Equal records of one build of this program encode to equal
// bytes; a verifier never encodes again, it hashes the bytes that were stored.
//
// A record without an entry, or a prediction without an id of 16 bytes, is refused.
func Encode(rec *candorv1.Record) ([]byte, error) {
	if rec.GetEntry() == nil {
		return nil, errors.New("audit: record.entry is unset: a record says what happened")
	}
	if p := rec.GetPrediction(); p != nil && len(p.GetPredictionId()) != idBytes {
		return nil, fmt.Errorf("audit: record.prediction.prediction_id has %d bytes: give the %d bytes of a UUID",
			len(p.GetPredictionId()), idBytes)
	}
	if rec.GetPrediction() != nil {
		return encodePrediction(rec)
	}
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(rec)
	if err != nil {
		return nil, fmt.Errorf("audit: encode a record: %w", err)
	}
	return data, nil
}

// Decode is the inverse of Encode.
func Decode(data []byte) (*candorv1.Record, error) {
	rec := new(candorv1.Record)
	if err := proto.Unmarshal(data, rec); err != nil {
		return nil, fmt.Errorf("audit: decode a record: %w", err)
	}
	return rec, nil
}

package audit

import "google.golang.org/protobuf/encoding/protowire"

// Numbers of the fields record.prediction and prediction_record.prediction_id.
const (
	fieldPrediction   = 2
	fieldPredictionID = 1
)

// PredictionID answers the id in an encoded record of a prediction, a part of data, without decoding the rest; nil: it is no record of
// a prediction, or isn't whole.
func PredictionID(data []byte) []byte {
	id := field(field(data, fieldPrediction), fieldPredictionID)
	if len(id) != idBytes {
		return nil
	}
	return id
}

// field is the last value of a field of bytes; nil: there is none.
func field(message []byte, number protowire.Number) (value []byte) {
	for len(message) > 0 {
		num, typ, n := protowire.ConsumeTag(message)
		if n < 0 {
			return nil
		}
		message = message[n:]
		if n = protowire.ConsumeFieldValue(num, typ, message); n < 0 {
			return nil
		}
		if num == number && typ == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(message)
		}
		message = message[n:]
	}
	return value
}

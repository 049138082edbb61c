package audit

import (
	"encoding/binary"
	"errors"
	"math"
	"unicode/utf8"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// typicalRecord has room for the record of most predictions of one row, in bytes, and typicalRow for what most further rows add.
const (
	typicalRecord = 320
	typicalRow    = 64
)

// encodePrediction is proto.Marshal, byte for byte, for the record of a prediction: the one that every call makes. Reflection takes
// most of what recording a plain accept costs its call, the more so the longer nobody has called. A test holds every field of the
// messages against proto.Marshal, those that are still to come included.
func encodePrediction(rec *candorv1.Record) ([]byte, error) {
	e := encoder{b: make([]byte, 0, typicalRecord+typicalRow*len(rec.GetPrediction().GetRows()))}
	e.uint(1, uint64(rec.GetTimeUs()))
	at := e.open(2)
	e.prediction(rec.GetPrediction())
	e.close(at)
	return e.b, e.err
}

// encoder writes protobuf fields. Those that have their type's zero value are left out, as proto3 has it.
type encoder struct {
	b   []byte
	err error
}

var errNotUTF8 = errors.New("audit: encode a record: a string in it is not UTF-8")

// Wire types.
const (
	wireVarint = 0
	wire64     = 1
	wireBytes  = 2
)

func (e *encoder) tag(num, typ int) {
	if num < 16 {
		e.b = append(e.b, byte(num<<3|typ))
		return
	}
	e.b = binary.AppendUvarint(e.b, uint64(num<<3|typ))
}

func (e *encoder) uint(num int, v uint64) {
	if v != 0 {
		e.tag(num, wireVarint)
		e.b = binary.AppendUvarint(e.b, v)
	}
}

// enum writes a number that protobuf extends by its sign.
func (e *encoder) enum(num int, v int32) { e.uint(num, uint64(int64(v))) }

func (e *encoder) bool(num int, v bool) {
	if v {
		e.uint(num, 1)
	}
}

// optional writes a number that may be 0; nil: there is none.
func (e *encoder) optional(num int, v *uint32) {
	if v != nil {
		e.tag(num, wireVarint)
		e.b = binary.AppendUvarint(e.b, uint64(*v))
	}
}

func (e *encoder) double(num int, v *float64) {
	if v != nil {
		e.tag(num, wire64)
		e.b = binary.LittleEndian.AppendUint64(e.b, math.Float64bits(*v))
	}
}

func (e *encoder) bytes(num int, v []byte) {
	if len(v) > 0 {
		e.tag(num, wireBytes)
		e.b = binary.AppendUvarint(e.b, uint64(len(v)))
		e.b = append(e.b, v...)
	}
}

func (e *encoder) string(num int, v string) {
	if v == "" {
		return
	}
	if !utf8.ValidString(v) {
		e.err = errNotUTF8
	}
	e.tag(num, wireBytes)
	e.b = binary.AppendUvarint(e.b, uint64(len(v)))
	e.b = append(e.b, v...)
}

// open begins an embedded message and close ends it. Its length stands before it and is known after it, so open leaves a byte, which
// is enough for most, and close makes room for more.
func (e *encoder) open(num int) (at int) {
	e.tag(num, wireBytes)
	e.b = append(e.b, 0)
	return len(e.b)
}

func (e *encoder) close(at int) {
	size := len(e.b) - at
	if size < 1<<7 {
		e.b[at-1] = byte(size)
		return
	}
	var length [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(length[:], uint64(size))
	e.b = append(e.b, length[1:n]...)
	copy(e.b[at+n-1:], e.b[at:at+size])
	copy(e.b[at-1:], length[:n])
}

func (e *encoder) prediction(p *candorv1.PredictionRecord) {
	e.bytes(1, p.GetPredictionId())
	e.string(2, p.GetConsumer())
	e.string(3, p.GetModel())
	e.enum(4, int32(p.GetMode()))
	e.bytes(5, p.GetPolicyDigest())
	for _, s := range p.GetStages() {
		at := e.open(6)
		e.stage(s)
		e.close(at)
	}
	for _, r := range p.GetRows() {
		at := e.open(7)
		e.row(r)
		e.close(at)
	}
	e.bytes(8, p.GetTraceId())
	e.uint(9, uint64(p.GetDurationUs()))
	e.enum(10, int32(p.GetConfidenceMethod()))
	e.string(11, p.GetRequestId())
}

func (e *encoder) stage(s *candorv1.StageRecord) {
	e.string(1, s.GetStage())
	e.enum(2, int32(s.GetKind()))
	e.string(3, s.GetVersion())
	e.uint(4, uint64(s.GetDurationUs()))
	e.enum(5, int32(s.GetFailure()))
	e.enum(6, int32(s.GetFailureSource()))
	e.string(7, s.GetDetail())
	e.uint(8, uint64(s.GetAttempts()))
	e.uint(9, uint64(s.GetRows()))
	e.uint(10, uint64(s.GetModelCreatedS()))
	e.string(11, s.GetParent())
	e.string(12, s.GetCalibrator())
	for _, a := range s.GetTried() {
		at := e.open(50)
		e.uint(1, uint64(a.GetStartUs()))
		e.uint(2, uint64(a.GetDurationUs()))
		e.uint(3, uint64(a.GetWaitedUs()))
		e.bool(4, a.GetHedge())
		e.bool(5, a.GetLost())
		e.enum(6, int32(a.GetFailure()))
		e.enum(7, int32(a.GetFailureSource()))
		e.close(at)
	}
	e.uint(51, uint64(s.GetWaitedUs()))
}

func (e *encoder) row(r *candorv1.RowRecord) {
	e.enum(1, int32(r.GetRoute()))
	e.enum(2, int32(r.GetAppliedRoute()))
	if reasons := r.GetReasons(); len(reasons) > 0 {
		at := e.open(3)
		for _, why := range reasons {
			e.b = binary.AppendUvarint(e.b, uint64(int64(why)))
		}
		e.close(at)
	}
	e.optional(4, r.ConfidencePpm)
	e.optional(5, r.ThresholdPpm)
	e.string(6, r.GetLabel())
	e.double(7, r.Value)
	e.string(8, r.GetAction())
	e.bytes(9, r.GetReviewItem())
	e.string(10, r.GetLimit())
	e.uint(11, uint64(r.GetAnsweredBy()))
	for _, a := range r.GetAnswers() {
		at := e.open(12)
		e.uint(1, uint64(a.GetStage()))
		e.string(2, a.GetLabel())
		e.double(3, a.Value)
		e.optional(4, a.ConfidencePpm)
		e.close(at)
	}
	e.enum(13, int32(r.GetState()))
	e.bytes(14, r.GetPayloadSha256())
	e.uint(15, uint64(r.GetUncertaintyPpm()))
	e.enum(16, int32(r.GetUncertaintyKind()))
	e.optional(17, r.PrimaryThresholdPpm)
	e.string(18, r.GetCertificate())
	e.uint(19, uint64(r.GetSamplingPpm()))
	e.optional(20, r.RawConfidencePpm)
	e.string(21, r.GetCondition())
	e.bool(22, r.GetAudited())
	e.string(23, r.GetSegment())
	e.enum(24, int32(r.GetConfidenceMethod()))
	e.string(25, r.GetField())
	e.uint(26, uint64(r.GetRow()))
	for _, in := range r.GetLimitInputs() {
		at := e.open(27)
		e.string(1, in.GetSource())
		e.uint(2, uint64(in.GetAmount()))
		e.bytes(3, in.GetKey())
		e.string(4, in.GetFault())
		e.string(5, in.GetUnit())
		e.string(6, in.GetStatedBy())
		e.close(at)
	}
	for _, w := range r.GetLimits() {
		at := e.open(60)
		e.limitWord(w)
		e.close(at)
	}
}

func (e *encoder) limitWord(w *candorv1.LimitWord) {
	e.string(1, w.GetLimit())
	e.enum(2, int32(w.GetSays()))
	e.bool(3, w.GetDryRun())
	e.uint(4, uint64(w.GetCount()))
	e.uint(5, uint64(w.GetMaxCount()))
	e.uint(6, uint64(w.GetAmount()))
	e.string(7, w.GetUnit())
	e.uint(8, uint64(w.GetDenominator()))
}

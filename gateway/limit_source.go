package gateway

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
	"github.com/candor-gateway/candor/limits"
)

// limitSource is where a limit takes an amount or a key from. Its text says all that reading one takes, so that a call under one
// configuration can read what the limits of the next one ask for:
//
//	parameter:NAME          parameter:NAME as key
//	input:NAME[COLUMN]      input:NAME[COLUMN]*SCALE      input:NAME[COLUMN] as key
type limitSource struct {
	parameter string // empty: an input
	input     string
	column    int
	// scale is a decimal; empty: 1.
	scale string
	// key: what it names is a key, not an amount.
	key bool
}

const (
	ofParameter = "parameter:"
	ofInput     = "input:"
	asKey       = " as key"
)

func sourceOfAmount(a *candorv1.LimitAmount) limits.Source {
	s := limitSource{parameter: a.GetParameter(), input: a.GetInput().GetName(), column: int(a.GetInput().GetColumn())}
	if a.GetInput() != nil && a.Scale != nil && a.GetScale() != 1 {
		s.scale = strconv.FormatFloat(a.GetScale(), 'g', -1, 64)
	}
	return s.text()
}

// sourceOfKey is empty where there is no key.
func sourceOfKey(k *candorv1.LimitKey) limits.Source {
	if k == nil {
		return ""
	}
	return limitSource{parameter: k.GetParameter(), input: k.GetInput().GetName(), column: int(k.GetInput().GetColumn()), key: true}.text()
}

func (s limitSource) text() limits.Source {
	out := ofParameter + s.parameter
	if s.parameter == "" {
		out = ofInput + s.input + "[" + strconv.Itoa(s.column) + "]"
	}
	if s.scale != "" {
		out += "*" + s.scale
	}
	if s.key {
		out += asKey
	}
	return limits.Source(out)
}

// parseSource takes a source's text apart; ok is false where it is none.
func parseSource(text limits.Source) (s limitSource, ok bool) {
	rest, key := strings.CutSuffix(string(text), asKey)
	s.key = key
	if s.parameter, ok = strings.CutPrefix(rest, ofParameter); ok {
		return s, s.parameter != ""
	}
	s.parameter = ""
	if rest, ok = strings.CutPrefix(rest, ofInput); !ok {
		return s, false
	}
	// A tensor's name may have brackets; what follows the column has none.
	open, end := strings.LastIndexByte(rest, '['), strings.LastIndexByte(rest, ']')
	if open < 1 || end < open {
		return s, false
	}
	var err error
	if s.column, err = strconv.Atoi(rest[open+1 : end]); err != nil || s.column < 0 {
		return s, false
	}
	s.input = rest[:open]
	switch tail := rest[end+1:]; {
	case tail == "":
		return s, true
	case tail[0] == '*' && len(tail) > 1 && !s.key:
		s.scale = tail[1:]
		_, ok = new(big.Rat).SetString(s.scale)
		return s, ok
	}
	return s, false
}

// field is the path of the request's field that it reads.
func (s limitSource) field() string {
	if s.parameter != "" {
		return "parameters[" + s.parameter + "]"
	}
	return "inputs[" + s.input + "]"
}

// maxUnits bounds one amount, so that no sum of two overflows. It is a thousand times what a limit can bound: what is below trips.
const maxUnits = int64(1e18)

// maxLimitKey is the most that is kept of a key, in bytes; of a longer one a part and a digest.
const maxLimitKey = 128

// ofParam reads a request's parameter.
func (s limitSource) ofParam(p wire.Param, found bool) (in limits.Input) {
	wanted := "an int64, 0 or more"
	if s.key {
		wanted = "a string or an int64"
	}
	switch {
	case !found || p.Kind == wire.ParamNone:
		in.Fault = "is missing; send it with the request, as " + wanted
	case p.Kind == wire.ParamInt64 && s.key:
		in.Key = strconv.FormatInt(p.Int64, 10)
	case p.Kind == wire.ParamUint64 && s.key:
		in.Key = strconv.FormatUint(p.U64, 10)
	case p.Kind == wire.ParamString && s.key:
		in.Key = cutKey(p.Str)
	case p.Kind == wire.ParamInt64:
		in.Amount, in.Fault = wholeUnits(float64(p.Int64), p.Int64)
	case p.Kind == wire.ParamUint64:
		in.Amount, in.Fault = wholeUnits(float64(p.U64), int64(min(p.U64, math.MaxInt64)))
	default:
		in.Fault = "is a " + paramKinds[p.Kind] + "; send " + wanted
	}
	return in
}

var paramKinds = map[wire.ParamKind]string{wire.ParamBool: "bool", wire.ParamString: "string", wire.ParamDouble: "double", wire.ParamInt64: "number", wire.ParamUint64: "number"}

// ofElement reads an element of an input.
func (s limitSource) ofElement(e wire.Element) (in limits.Input) {
	text, isBool := e.Datatype == wire.BYTES, e.Datatype == wire.BOOL
	switch {
	case s.key && text:
		in.Key = cutKey(string(e.Text))
	case s.key && (isBool || e.Datatype.IsFloat()):
		in.Fault = fmt.Sprintf("is %v; send integers or BYTES", e.Datatype)
	case s.key:
		in.Key = e.Decimal()
	case text || isBool:
		in.Fault = fmt.Sprintf("is %v; send numbers", e.Datatype)
	default:
		in.Amount, in.Fault = units(e, s.scale)
	}
	return in
}

// units is a number times a scale, rounded up to whole units. It counts in decimals, as who sent the number and who wrote the scale
// do: 20.01 in FP32 is a little more than that, and a hundred times of it is 2001.
func units(e wire.Element, scale string) (amount int64, fault string) {
	factor := 1.0
	if scale != "" {
		factor, _ = strconv.ParseFloat(scale, 64)
	}
	v := e.Float() * factor
	if math.IsNaN(v) || v < 0 || v > float64(maxUnits) {
		return wholeUnits(v, 0)
	}
	exact, ok := new(big.Rat).SetString(e.Decimal())
	if !ok {
		return 0, "is not a number; send 0 or more"
	}
	if scale != "" {
		by, _ := new(big.Rat).SetString(scale)
		exact.Mul(exact, by)
	}
	whole, rest := new(big.Int).QuoRem(exact.Num(), exact.Denom(), new(big.Int))
	amount = whole.Int64()
	if rest.Sign() > 0 {
		amount++
	}
	return wholeUnits(v, amount)
}

// wholeUnits is the amount whose value is v, or what is wrong with it.
func wholeUnits(v float64, amount int64) (int64, string) {
	switch {
	case math.IsNaN(v):
		return 0, "is not a number; send 0 or more"
	case v < 0:
		return 0, fmt.Sprintf("is %v, below 0; send 0 or more", v)
	case v > float64(maxUnits) || amount > maxUnits:
		return 0, fmt.Sprintf("is %v, more than can be counted; send at most %d whole units", v, maxUnits)
	}
	return amount, ""
}

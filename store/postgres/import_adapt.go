package postgres

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/audit"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// ErrIncomplete: what arrived isn't what the source has.
var ErrIncomplete = errors.New("the store didn't arrive whole")

// adapt changes what the two kinds of store keep in different places. values has a row's columns by their names in the source, and
// then by those here.
func (in *importing) adapt(table string, values map[string]any) error {
	switch table {
	case "writers":
		// Nobody serves: the next that opens the store takes a chain up by its name.
		values["owner"], values["batch"], values["clock_us"] = in.owner.String(), int64(0), in.clock
	case "log":
		// A prediction whose id isn't one is in the log without it; see prepare.
		if id, ok := values["prediction_id"].([]byte); ok && len(id) != len(uuid.UUID{}) {
			values["prediction_id"] = nil
		}
	case "decision_kinds":
		in.adaptKind(values)
	case "review_items":
		return adaptItem(values)
	}
	return nil
}

// adaptKind adds a kind's key. Two kinds that differ only in what TEXT can't hold are counted together by what they say, so that the
// key of the second need not be found.
func (in *importing) adaptKind(values map[string]any) {
	str := func(column string) string { s, _ := values[column].(string); return s }
	number := func(column string) int64 { n, _ := values[column].(int64); return n }
	k := audit.Kind{
		Model: str("model"), Consumer: str("consumer"), Action: str("action"), Route: candorv1.Route(number("route")),
		Version: str("version"), Stage: str("stage"), Reasons: number("reasons"),
	}
	original := kindDigest(k)
	for _, s := range []*string{&k.Model, &k.Consumer, &k.Action, &k.Version, &k.Stage} {
		*s = cleaned(*s)
	}
	key := kindDigest(k)
	if in.kinds[string(key)] {
		key = original
	}
	in.kinds[string(key)] = true
	values["key"] = key
}

// adaptItem moves an item's verdicts into its body, where this store has them, and what it looks for out of it.
func adaptItem(values map[string]any) error {
	fail := func(err error) error { return fmt.Errorf("review item %v: %w", values["id"], err) }
	body := &candorv1.ReviewItem{}
	data, _ := values["body"].([]byte)
	if err := proto.Unmarshal(data, body); err != nil {
		return fail(fmt.Errorf("decode its body: %w", err))
	}
	if data, ok := values["verdict"].([]byte); ok {
		body.Verdict = &candorv1.Verdict{}
		if err := proto.Unmarshal(data, body.Verdict); err != nil {
			return fail(fmt.Errorf("decode its verdict: %w", err))
		}
	}
	standing, _ := values["verdicts"].(string)
	for one := range strings.FieldsSeq(standing) {
		v := &candorv1.Verdict{}
		data, err := hex.DecodeString(one)
		if err == nil {
			err = proto.Unmarshal(data, v)
		}
		if err != nil {
			return fail(fmt.Errorf("decode a reviewer's verdict: %w", err))
		}
		body.Verdicts = append(body.Verdicts, v)
	}
	values["field"], values["model_replaced"] = body.Field, truth(body.ModelReplaced)
	body.ModelReplaced = false
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(body)
	if err != nil {
		return fail(fmt.Errorf("encode its body: %w", err))
	}
	values["body"] = append([]byte{}, data...) // an empty message encodes to nothing, which isn't NULL
	delete(values, "verdict")
	delete(values, "verdicts")
	return nil
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// typed is a value of the source, which knows few types, as a column's type here wants it.
func typed(v any, column string) (any, error) {
	switch column {
	case "uuid":
		return typedUUID(v)
	case "boolean":
		if n, ok := v.(int64); ok {
			return n != 0, nil
		}
	case "text":
		if s, ok := v.(string); ok {
			return cleaned(s), nil
		}
	case "smallint", "integer", "bigint":
		if _, ok := v.(int64); ok {
			return v, nil
		}
	case "double precision":
		if _, ok := v.(float64); ok {
			return v, nil
		}
	case "bytea":
		if _, ok := v.([]byte); ok {
			return v, nil
		}
	}
	if v == nil {
		return nil, nil
	}
	return nil, fmt.Errorf("a %T can't be kept as %s", v, column)
}

// typedUUID takes both forms; the empty text is none.
func typedUUID(v any) (any, error) {
	var id uuid.UUID
	var err error
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		if v == "" {
			return nil, nil
		}
		id, err = uuid.Parse(v)
	case []byte:
		id, err = uuid.FromBytes(v)
	default:
		err = fmt.Errorf("a %T is no UUID", v)
	}
	return [16]byte(id), err
}

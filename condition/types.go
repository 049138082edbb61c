package condition

import (
	"fmt"
	"maps"
	"slices"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// Names of our two types. No expression can spell them, so none can make a value of them.
const (
	evidenceName = "<evidence>"
	cardName     = "<card>"
)

var (
	evidenceType = types.NewObjectType(evidenceName)
	cardType     = types.NewObjectType(cardName)
)

// field is one field of a type: what it is, whether it is there, and how it is read from *T.
type field[T any] struct {
	is  *types.Type
	has func(*T) bool
	get func(*T) any
}

func always[T any](*T) bool { return true }

var evidenceFields = map[string]field[Evidence]{
	"stage":            {types.StringType, always[Evidence], func(e *Evidence) any { return e.Stage }},
	"field":            {types.StringType, always[Evidence], func(e *Evidence) any { return e.Field }},
	"score_kind":       {types.StringType, always[Evidence], func(e *Evidence) any { return e.ScoreKind }},
	"faults":           {types.NewListType(types.StringType), always[Evidence], func(e *Evidence) any { return e.Faults }},
	"label":            {types.StringType, func(e *Evidence) bool { return e.Label != "" }, func(e *Evidence) any { return e.Label }},
	"value":            {types.DoubleType, func(e *Evidence) bool { return e.Value != nil }, func(e *Evidence) any { return *e.Value }},
	"confidence":       {types.DoubleType, func(e *Evidence) bool { return e.Confidence != nil }, func(e *Evidence) any { return *e.Confidence }},
	"raw_confidence":   {types.DoubleType, func(e *Evidence) bool { return e.RawConfidence != nil }, func(e *Evidence) any { return *e.RawConfidence }},
	"uncertainty":      {types.DoubleType, uncertain, func(e *Evidence) any { return e.Uncertainty }},
	"uncertainty_kind": {types.StringType, uncertain, func(e *Evidence) any { return e.UncertaintyKind }},
	"probabilities": {
		types.NewMapType(types.StringType, types.DoubleType),
		func(e *Evidence) bool { return len(e.Probs) > 0 && len(e.Probs) == len(e.Labels) },
		func(e *Evidence) any { return e.probabilities() },
	},
}

func uncertain(e *Evidence) bool { return e.UncertaintyKind != "" }

var cardFields = map[string]field[Card]{
	"owner":   {types.StringType, always[Card], func(c *Card) any { return c.Owner }},
	"version": {types.StringType, always[Card], func(c *Card) any { return c.Version }},
	"created": {types.TimestampType, always[Card], func(c *Card) any { return c.Created }},
	"age":     {types.DurationType, always[Card], func(c *Card) any { return c.Age }},
}

// provider is CEL's own types and our two.
type provider struct{ *types.Registry }

func (p provider) FindStructType(name string) (*types.Type, bool) {
	switch name {
	case evidenceName:
		return types.NewTypeTypeWithParam(evidenceType), true
	case cardName:
		return types.NewTypeTypeWithParam(cardType), true
	}
	return p.Registry.FindStructType(name)
}

func (p provider) FindStructFieldNames(name string) ([]string, bool) {
	if names := fieldsOf(name); names != nil {
		return names, true
	}
	return p.Registry.FindStructFieldNames(name)
}

// fieldsOf are the names of the fields of one of our types, sorted; nil: it is another.
func fieldsOf(name string) []string {
	switch name {
	case evidenceName:
		return slices.Sorted(maps.Keys(evidenceFields))
	case cardName:
		return slices.Sorted(maps.Keys(cardFields))
	}
	return nil
}

func (p provider) FindStructFieldType(name, fieldName string) (*types.FieldType, bool) {
	switch name {
	case evidenceName:
		return fieldType(evidenceFields, fieldName)
	case cardName:
		return fieldType(cardFields, fieldName)
	}
	return p.Registry.FindStructFieldType(name, fieldName)
}

func fieldType[T any](fields map[string]field[T], name string) (*types.FieldType, bool) {
	f, ok := fields[name]
	if !ok {
		return nil, false
	}
	return &types.FieldType{
		Type: f.is,
		IsSet: func(of any) bool {
			t, ok := of.(*T)
			return ok && f.has(t)
		},
		GetFrom: func(of any) (any, error) {
			t, ok := of.(*T)
			if !ok || !f.has(t) {
				return nil, fmt.Errorf("there is no %s here; ask with has() first", name)
			}
			return f.get(t), nil
		},
	}, true
}

func (p provider) NewValue(name string, fields map[string]ref.Val) ref.Val {
	if fieldsOf(name) != nil {
		return types.NewErr("no %s can be made", name)
	}
	return p.Registry.NewValue(name, fields)
}

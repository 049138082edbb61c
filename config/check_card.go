package config

import (
	"fmt"
	"math"
	"strings"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
)

// reserved is what the names of our own tensors begin with; a client names them to get metadata.
const reserved = "candor_"

// datatypes are the protocol's names, and what people write instead.
var datatypes = []string{
	"BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BF16", "BYTES",
}

var datatypeSynonyms = map[string]string{
	"STRING": "BYTES", "STR": "BYTES", "TEXT": "BYTES", "OBJECT": "BYTES",
	"FLOAT": "FP32", "FLOAT32": "FP32", "DOUBLE": "FP64", "FLOAT64": "FP64", "FLOAT16": "FP16", "HALF": "FP16",
	"BFLOAT16": "BF16", "INT": "INT64", "LONG": "INT64", "BOOLEAN": "BOOL",
}

func (c *checker) card(at path, card *candorv1.ModelCard) {
	if created := card.GetCreatedAt(); created != nil && created.AsTime().After(c.now) {
		c.complain(at.field("created_at"), "is in the future", "write when this version was trained, in the past of "+c.now.UTC().Format(time.RFC3339))
	}
	if card.GetOwner() != "" && strings.TrimSpace(card.GetOwner()) == "" {
		c.complain(at.field("owner"), "is empty", "write the team or person to ask")
	}
	inputs := card.GetInputs()
	c.repeated("the input", len(inputs),
		func(i int) string { return inputs[i].GetName() },
		func(i int) path { return at.field("inputs").item(i).field("name") })
	shared := 0
	for i, input := range inputs {
		c.input(at.field("inputs").item(i), input, card)
		if input.GetShared() {
			shared++
		}
	}
	if shared > 0 && shared == len(inputs) && card.GetRows() == candorv1.Rows_ROWS_FIRST_DIM {
		c.complain(at.field("inputs"), "all inputs are shared: nothing says how many rows there are", "leave shared out where the first dimension is the row")
	}
	outputs := card.GetOutputs()
	c.repeated("the output", len(outputs),
		func(i int) string { return outputs[i].GetName() },
		func(i int) path { return at.field("outputs").item(i).field("name") })
	for i, output := range outputs {
		c.tensor(at.field("outputs").item(i), output.GetName(), output.GetDatatype(), output.GetShape(), hasRows(card, false))
	}
	c.fieldsOfCard(at.field("scores"), card)
	for i, score := range card.GetScores() {
		c.score(at.field("scores").item(i), score, card)
	}
	c.abstains(at.field("abstain_output"), card)
}

// hasRows says that the first dimension of a tensor is the row.
func hasRows(card *candorv1.ModelCard, shared bool) bool {
	return card.GetRows() == candorv1.Rows_ROWS_FIRST_DIM && !shared
}

func (c *checker) input(at path, input *candorv1.InputSpec, card *candorv1.ModelCard) {
	rows := hasRows(card, input.GetShared())
	c.tensor(at, input.GetName(), input.GetDatatype(), input.GetShape(), rows)
	if input.GetShared() && card.GetRows() == candorv1.Rows_ROWS_NONE {
		c.warn(at.field("shared"), "has no effect: with rows: none there is only one row", "take it out")
	}
	c.view(at, input, rows)
	c.repeated("the feature", len(input.GetFeatures()),
		func(i int) string { return input.GetFeatures()[i].GetName() },
		func(i int) path { return at.field("features").item(i).field("name") })
	for i, feature := range input.GetFeatures() {
		here := at.field("features").item(i)
		if feature.GetName() == "" && !c.lostWithin(here) {
			c.complain(here, "has no name", "add name: what a reviewer reads beside the number")
		}
		if feature.TypicalMin != nil && feature.TypicalMax != nil && !(feature.GetTypicalMin() <= feature.GetTypicalMax()) {
			c.complain(here, "typical_min is above typical_max", "swap them")
		}
	}
	if n, known := rowElements(input.GetShape(), rows); known && len(input.GetFeatures()) > 0 && int64(len(input.GetFeatures())) != n && !c.lostWithin(at) {
		c.complain(at.field("features"), fmt.Sprintf("names %d features, but a row has %d numbers", len(input.GetFeatures()), n), "name each, in the order of the tensor")
	}
}

// view checks that a payload can be shown as the card says.
func (c *checker) view(at path, input *candorv1.InputSpec, rows bool) {
	if c.lostWithin(at) {
		return
	}
	switch input.GetView() {
	case candorv1.PayloadView_PAYLOAD_VIEW_TEXT:
		if input.GetDatatype() != wire.BYTES.String() {
			c.complain(at.field("view"), "only BYTES can be shown as text", "write table, or make the datatype BYTES")
		}
	case candorv1.PayloadView_PAYLOAD_VIEW_IMAGE:
		if input.GetDatatype() != wire.BYTES.String() {
			c.complain(at.field("view"), "only BYTES can hold an encoded picture", "write gray_image for numbers that are pixels, or make the datatype BYTES")
		}
	case candorv1.PayloadView_PAYLOAD_VIEW_JSON:
		if input.GetDatatype() != wire.BYTES.String() {
			c.complain(at.field("view"), "only BYTES can hold a JSON document", "write table, or make the datatype BYTES")
		}
	case candorv1.PayloadView_PAYLOAD_VIEW_GRAY_IMAGE:
		if input.GetDatatype() == wire.BYTES.String() {
			c.complain(at.field("view"), "BYTES can't be shown as pixels", "write image for encoded pictures, or a numeric datatype")
		}
		dims, width := rowShape(input.GetShape(), rows), int64(input.GetImageWidth())
		switch {
		case len(dims) == 2:
		case len(dims) != 1:
			c.complain(at.field("view"), "an image has the shape [height, width], or is a flat vector", "correct the shape, or take view out")
		case width == 0:
			c.complain(at.field("view"), "nothing says how wide the image is", "add image_width")
		case dims[0] > 0 && dims[0]%width != 0:
			c.complain(at.field("image_width"), fmt.Sprintf("%d numbers make no lines of %d", dims[0], width), "write a width that divides the size of the vector")
		}
		if limit := input.GetImageMax(); !(limit > 0) || math.IsInf(limit, 0) {
			c.complain(at.field("image_max"), "is not a brightness", "write the largest value that a pixel can have")
		}
	}
}

// tensor checks what inputs and outputs have in common.
func (c *checker) tensor(at path, name, datatype string, shape []int64, rows bool) {
	if strings.HasPrefix(name, reserved) {
		c.complain(at.field("name"), "names that begin with candor_ are the gateway's own", "rename the tensor in the model")
	}
	if !isDatatype(datatype) && datatype != "" && !c.lost(at.field("datatype")) {
		remedy := "write " + oneOf(datatypes)
		if meant := datatypeSynonyms[strings.ToUpper(datatype)]; meant != "" {
			remedy = "write " + meant
		} else if near := nearest(datatype, datatypes); near != "" {
			remedy = "write " + near
		}
		c.complain(at.field("datatype"), fmt.Sprintf("%q is not a datatype", abridged(datatype)), remedy)
	}
	at = at.field("shape")
	if c.lostWithin(at) {
		return
	}
	for i, n := range shape {
		if n == 0 {
			c.complain(at.item(i), "a dimension of 0 holds nothing", "write its size, or -1 for any")
		}
	}
	if overflows(shape) {
		c.complain(at, "has more elements than can be counted", "write the shape that the model has")
	}
	switch {
	case rows && len(shape) == 0:
		c.complain(at, "with rows: first_dim a tensor has a first dimension", "write [-1] followed by the shape of a row, or rows: none")
	case rows && shape[0] > 0:
		c.warn(at.item(0), fmt.Sprintf("fixes a request at %d rows", shape[0]), "write -1 for any number")
	}
}

func isDatatype(name string) bool {
	_, ok := wire.ParseDatatype(name)
	return ok
}

func overflows(shape []int64) bool {
	product := int64(1)
	for _, n := range shape {
		if n <= 0 {
			continue
		}
		if product > math.MaxInt64/n {
			return true
		}
		product *= n
	}
	return false
}

// rowShape is the shape of one row.
func rowShape(shape []int64, rows bool) []int64 {
	if rows && len(shape) > 0 {
		return shape[1:]
	}
	return shape
}

// rowElements is how many numbers a row has; not known where a dimension may have any size.
func rowElements(shape []int64, rows bool) (n int64, known bool) {
	if overflows(shape) || rows && len(shape) == 0 {
		return 0, false
	}
	n = 1
	for _, d := range rowShape(shape, rows) {
		if d < 0 {
			return 0, false
		}
		n *= d
	}
	return n, true
}

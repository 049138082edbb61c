package conformance_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// difference is a thing that a client saw otherwise through Candor than at the server itself.
type difference struct {
	// what differs: code, answers, or a part of an answer.
	what           string
	direct, candor string
}

func (d difference) String() string {
	return fmt.Sprintf("%s: direct %s, through Candor %s", d.what, d.direct, d.candor)
}

// compare holds what a client saw through Candor against what it saw at the server. Words of errors may differ; everything else
// is to be the same, but for what Candor adds.
func compare(k testCase, direct, candor outcome) []difference {
	var found []difference
	note := func(what, d, c string) {
		if d != c {
			found = append(found, difference{what, d, c})
		}
	}
	note("code", direct.Code, candor.Code)
	if direct.Code != candor.Code && k.Call != "stream" {
		// One of them has an answer, the other an error: that is said. A stream may have both.
		return found
	}
	facts, others := factsOf(direct.Facts), factsOf(candor.Facts)
	for _, key := range slices.Sorted(maps.Keys(facts)) {
		note(key, facts[key], others[key])
	}
	for _, key := range slices.Sorted(maps.Keys(others)) {
		if _, there := facts[key]; !there {
			note(key, "", others[key])
		}
	}
	mine, theirs := byRequest(k, direct.Answers), byRequest(k, candor.Answers)
	note("answers", kinds(mine), kinds(theirs))
	for i := range min(len(mine), len(theirs)) {
		where := ""
		if len(mine) > 1 {
			where = fmt.Sprintf("answer %d: ", i)
		}
		d := mine[i]
		c, _ := theirs[i].split()
		note(where+"model", d.Model, c.Model)
		note(where+"version", d.Version, c.Version)
		note(where+"id", d.ID, c.ID)
		note(where+"parameters", asJSON(d.Parameters), asJSON(c.Parameters))
		note(where+"outputs", outputNames(d.Outputs), outputNames(c.Outputs))
		if outputNames(d.Outputs) != outputNames(c.Outputs) {
			continue
		}
		note(where+"form", forms(d.Outputs), forms(c.Outputs))
		for j := range d.Outputs {
			do, co := d.Outputs[j], c.Outputs[j]
			at := where + do.Name + " "
			note(at+"datatype", do.Datatype, co.Datatype)
			note(at+"shape", asJSON(do.Shape), asJSON(co.Shape))
			note(at+"data", do.Data, co.Data)
			note(at+"parameters", asJSON(do.Parameters), asJSON(co.Parameters))
		}
	}
	return found
}

// byRequest puts the answers of one request side by side, in their order. Between requests on one stream a server has no order.
func byRequest(k testCase, as []answer) []answer {
	if k.Requests < 2 {
		return as
	}
	sorted := slices.Clone(as)
	slices.SortStableFunc(sorted, func(a, b answer) int { return cmp.Compare(a.ID, b.ID) })
	return sorted
}

// kinds tells how many answers there were, and which of them were errors in band.
func kinds(as []answer) string {
	var out []string
	for _, a := range as {
		if a.Error != "" {
			out = append(out, "error")
		} else {
			out = append(out, "response")
		}
	}
	return strings.Join(out, ", ")
}

func outputNames(os []output) string {
	var names []string
	for _, o := range os {
		names = append(names, o.Name)
	}
	return strings.Join(names, ", ")
}

// forms of an answer's contents: one for all, or one each.
func forms(os []output) string {
	var all []string
	for _, o := range os {
		all = append(all, o.Form)
	}
	if len(slices.Compact(slices.Clone(all))) == 1 {
		return all[0]
	}
	return strings.Join(all, ", ")
}

// asJSON is a value as JSON; keys in order, so that equal values have equal texts.
func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	if s := string(b); s != "null" {
		return s
	}
	return ""
}

// factsOf is what a call answered, by field, without the tensors that Candor advertises. A field that is empty is none, as some
// clients leave it out. Of ServerMetadata it is the name: Candor's version is that of the build.
func factsOf(facts any) map[string]string {
	m, ok := facts.(map[string]any)
	if !ok {
		return map[string]string{"answer": asJSON(facts)}
	}
	shown := map[string]string{}
	for k, v := range m {
		list, isList := v.([]any)
		if k == "outputs" {
			list = slices.DeleteFunc(slices.Clone(list), func(t any) bool { return ours(nameOf(t)) })
			v = list
		}
		if isList && len(list) == 0 {
			continue
		}
		shown[k] = asJSON(v)
	}
	if _, isModel := m["inputs"]; !isModel && shown["name"] != "" {
		return map[string]string{"name": shown["name"]}
	}
	return shown
}

// nameOf a tensor of ModelMetadata.
func nameOf(t any) string {
	m, _ := t.(map[string]any)
	name, _ := m["name"].(string)
	return name
}

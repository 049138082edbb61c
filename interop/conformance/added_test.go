package conformance_test

import (
	"fmt"
	"slices"
)

// added says what is missing of what Candor has to add to an outcome; nothing: all is there.
func added(c *client, k testCase, o outcome) []string {
	var missing []string
	want := func(holds bool, format string, args ...any) {
		if !holds {
			missing = append(missing, fmt.Sprintf(format, args...))
		}
	}
	if o.Code != "OK" {
		return nil
	}
	if k.Call == "ModelMetadata" {
		m, _ := o.Facts.(map[string]any)
		outputs, _ := m["outputs"].([]any)
		for _, name := range metadataTensors {
			want(slices.ContainsFunc(outputs, func(t any) bool { return nameOf(t) == name }), "ModelMetadata does not advertise %s", name)
		}
	}
	if k.Call == "infer" && (c.node() || c.program == "oip.py") {
		want(slices.Contains(o.Trailers, "candor-prediction-id"), "there is no trailer candor-prediction-id")
	}
	for _, a := range o.Answers {
		if a.Error != "" {
			continue
		}
		own, ours := a.split()
		for _, name := range []string{"candor_prediction_id", "candor_mode", "candor_model_created_at", "candor_policy"} {
			want(ours.Parameters[name] != "", "there is no parameter %s", name)
		}
		rows := int64(1)
		if len(own.Outputs) > 0 && len(own.Outputs[0].Shape) > 0 {
			rows = own.Outputs[0].Shape[0]
		}
		if rows == 1 {
			want(ours.Parameters["candor_route"] != "", "there is no parameter candor_route")
		} else {
			want(ours.Parameters["candor_rows_accept"] != "", "there is no parameter candor_rows_accept")
		}
		want(outputNames(ours.Outputs) == outputNames(tensorsNamed(k.asks)), "metadata tensors are %q, want %q", outputNames(ours.Outputs), k.asks)
		for _, out := range ours.Outputs {
			want(asJSON(out.Shape) == fmt.Sprintf("[%d]", rows), "%s has shape %v for %d rows", out.Name, out.Shape, rows)
			want(out.Data != "", "%s has no elements", out.Name)
			want(len(own.Outputs) == 0 || out.Form == own.Outputs[0].Form, "%s is %s beside a tensor that is %s", out.Name, out.Form, own.Outputs[0].Form)
		}
		if k.Model != "" && len(k.asks) > 0 && len(ours.Outputs) > 0 {
			accepts := slices.Repeat([]string{"ACCEPT"}, int(rows))
			want(ours.Outputs[0].Data == bytesElements(accepts...), "candor_route is %s, want ACCEPT", ours.Outputs[0].Data)
		}
	}
	return missing
}

func tensorsNamed(names []string) []output {
	var out []output
	for _, n := range names {
		out = append(out, output{Name: n})
	}
	return out
}

package calibrate

import (
	"slices"
	"strings"
	"testing"
)

func TestCSV(t *testing.T) {
	for name, tc := range map[string]struct {
		text   string
		labels []string
		want   [][]float64
	}{
		"by label":            {"label,a,b\na,0.25,0.75\n", []string{"a", "b"}, [][]float64{{.25, .75}}},
		"in another order":    {"b,id,a,label\n0.75,7,0.25,a\n", []string{"a", "b"}, [][]float64{{.25, .75}}},
		"by prefix":           {"label,p:label,p:id\nid,0.25,0.75\n", []string{"label", "id"}, [][]float64{{.25, .75}}},
		"both, prefix wins":   {"label,a,p:a,p:b\na,9,0.25,0.75\n", []string{"a", "b"}, [][]float64{{.25, .75}}},
		"one score":           {"label,score\nb,-1.5\n", []string{"a", "b"}, [][]float64{{-1.5}}},
		"byte order mark":     {"\ufefflabel,score\nb,1e-3\n", []string{"a", "b"}, [][]float64{{1e-3}}},
		"quotes and features": {"label,f1,\"a, too\",b\nb,x,0.5, 0.5\n", []string{"a, too", "b"}, [][]float64{{.5, .5}}},
		"no rows":             {"label,score\n", []string{"a", "b"}, nil},
	} {
		rows, err := readCSV("h.csv", strings.NewReader(tc.text), tc.labels)
		var got [][]float64
		for _, r := range rows {
			got = append(got, r.scores)
		}
		if err != nil || !slices.EqualFunc(got, tc.want, slices.Equal[[]float64]) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, tc.want)
		}
	}
	for want, text := range map[string]string{
		"h.csv: there is no header (EOF); write a header: columns label, p:a, p:b, or label and score (that of \"b\")": "",
		`h.csv, line 1: there is no column "label"; the columns are a, b; have columns label, p:a, p:b`:                "a,b\n",
		`h.csv, line 1: there is no column for "b"; the columns are label, a`:                                          "label,a\n",
		`h.csv, line 1: column "p:c" is of no label of the model`:                                                      "label,a,b,p:c\n",
		`h.csv, line 1: column "a" is there twice`:                                                                     "label,a,a,b\n",
		`h.csv, line 3: column "b" holds "x"; write a number`:                                                          "label,a,b\na,1,0\na,1,x\n",
		`h.csv, line 2: wrong number of fields; write as many fields as the header has`:                                "label,a,b\na,1\n",
	} {
		if _, err := readCSV("h.csv", strings.NewReader(text), []string{"a", "b"}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
	if _, err := readCSV("h.csv", strings.NewReader("label,score\n"), []string{"a", "b", "c"}); err == nil || !strings.Contains(err.Error(), `one column "score" is for two labels, the model has 3`) {
		t.Error(err)
	}
}

func TestJSONLines(t *testing.T) {
	rows, err := readJSONLines("h.jsonl", []byte("{\"scores\": [0.25, 0.75], \"label\": \"a\", \"id\": 3}\n\n{\"scores\": [0.5], \"label\": \"b\"}"), []string{"a", "b"})
	if err != nil || len(rows) != 2 || rows[1].place != "line 3" || rows[1].label != "b" || !slices.Equal(rows[0].scores, []float64{.25, .75}) {
		t.Errorf("%+v, %v", rows, err)
	}
	for want, text := range map[string]string{
		"h.jsonl, line 1: it has no scores, or no label; write {": `{"scores": [1, 0]}`,
		"h.jsonl, line 1: json: unknown field \"score\"":          `{"score": [1, 0], "label": "a"}`,
		"h.jsonl, line 2: it has 3 scores, the model has 2":       "{\"scores\": [1, 0], \"label\": \"a\"}\n{\"scores\": [1, 0, 0], \"label\": \"a\"}",
		"h.jsonl, line 1: there is more than one object":          `{"scores": [1, 0], "label": "a"} {}`,
		"h.jsonl, line 1: the JSON ends too early":                `{"scores": [1, 0]`,
		"h.jsonl, line 1: invalid character 'N'":                  `{"scores": [NaN, 0], "label": "a"}`,
		"h.jsonl, line 1: json: cannot unmarshal number 1e999":    `{"scores": [1e999, 0], "label": "a"}`,
	} {
		if _, err := readJSONLines("h.jsonl", []byte(text), []string{"a", "b"}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
}

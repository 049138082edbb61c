package combine

import (
	"math"
	"strings"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

var (
	twoMembers = []string{"mlp", "kernel"}
	twoLabels  = []string{"ham", "spam"}
)

func TestRead(t *testing.T) {
	rows, err := Read(strings.NewReader(`{"members": {"kernel": [0.2, 0.8], "mlp": [0.3], "other": []}, "label": "spam"}

{"members": {"mlp": [1, 0], "kernel": [0.5, 0.5]}, "label": "ham", "id": 7}`), twoMembers, twoLabels)
	if err != nil || len(rows) != 2 {
		t.Fatalf("%v, %v", rows, err)
	}
	near(t, "mlp", rows[0].Members[0], []float64{.7, .3}, 1e-12)
	near(t, "kernel", rows[0].Members[1], []float64{.2, .8}, 0)
	if rows[0].Label != 1 || rows[1].Label != 0 {
		t.Errorf("labels of %v", rows)
	}
}

func TestReadRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":    "there are no rows",
		"\n{": "line 2: is not",
		`{"members": {"mlp": [1, 0], "kernel": [1, 0]}}`:                    "line 1: label: is missing",
		`{"members": {"mlp": [1, 0], "kernel": [1, 0]}, "label": "eggs"}`:   `line 1: label: "eggs" is none`,
		`{"members": {"mlp": [1, 0]}, "label": "ham"}`:                      "line 1: members.kernel: is missing",
		`{"members": {"mlp": [1, 0, 0], "kernel": [1, 0]}, "label": "ham"}`: "line 1: members.mlp: there are 3",
		`{"members": {"mlp": [1, 1], "kernel": [1, 0]}, "label": "ham"}`:    "row 1, member 1",
	} {
		if _, err := Read(strings.NewReader(text), twoMembers, twoLabels); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// Whatever the file holds, it is refused, or can be fitted and scored.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"members": {"mlp": [0.25, 0.75], "kernel": [1]}, "label": "spam"}`))
	f.Add([]byte(`{"members": {"mlp": [1e-400, 1], "kernel": [0, 1]}, "label": "ham"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, err := Read(strings.NewReader(string(data)), twoMembers, twoLabels)
		if err != nil {
			return
		}
		p, err := Fit(candorv1.Combiner_COMBINER_LOG_POOL, rows, 0)
		if err != nil {
			return
		}
		if err := CheckWeights(p.Weights, 2); err != nil {
			t.Error(err)
		}
		if s := Evaluate(rows, p.Combined(candorv1.Combiner_COMBINER_LOG_POOL)); math.IsNaN(s.NLL + s.Brier + s.Accuracy) {
			t.Errorf("%+v", s)
		}
	})
}

// A fit with as many parameters as rows flatters itself, and cross-validation doesn't.
func TestCrossValidate(t *testing.T) {
	ref := readReference(t)
	stacking := candorv1.Combiner_COMBINER_STACKING
	few := ref.Rows[:25]
	p, err := Fit(stacking, few, .01)
	if err != nil {
		t.Fatal(err)
	}
	own := Evaluate(few, p.Combined(stacking))
	crossed, err := CrossValidate(stacking, few, .01)
	if err != nil || !(crossed.NLL > own.NLL) {
		t.Errorf("NLL %v on its own rows, %v on others, %v", own.NLL, crossed.NLL, err)
	}
	if _, err := CrossValidate(stacking, few[:4], 1); err == nil {
		t.Error("four rows were cut into five parts")
	}
	if s, err := CrossValidate(candorv1.Combiner_COMBINER_WEIGHTED_VOTE, ref.Rows, 0); err != nil || !(s.Accuracy > .5) {
		t.Errorf("%+v, %v", s, err)
	}
}

package calibrate

import (
	"bytes"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Whatever a file holds, a reader refuses it or answers rows of as many scores as there may be, and what comes of these is
// refused or is a sample.
func checkRows(t *testing.T, rows []raw, err error, labels []string) {
	t.Helper()
	if err != nil {
		return
	}
	for _, r := range rows {
		if len(r.scores) != len(labels) && !(len(r.scores) == 1 && len(labels) == 2) || r.place == "" {
			t.Fatalf("%+v for %q", r, labels)
		}
	}
	for _, kind := range []candorv1.ScoreKind{candorv1.ScoreKind_SCORE_KIND_PROBABILITY, candorv1.ScoreKind_SCORE_KIND_LOGIT, candorv1.ScoreKind_SCORE_KIND_LOG_PROB} {
		s := &subject{scope: &candorv1.ArtefactScope{Labels: labels}, score: &candorv1.Score{Kind: kind, Labels: labels}}
		sample, err := s.sample("f", rows)
		if err != nil {
			continue
		}
		if err := sample.Check(); err != nil {
			t.Fatalf("%v of %+v", err, rows)
		}
	}
}

var fuzzLabels = []string{"a", "b"}

func FuzzCSV(f *testing.F) {
	f.Add([]byte("label,a,b\na,0.25,0.75\n"))
	f.Add([]byte("label,score\nb,NaN\na,1e308\n"))
	f.Add([]byte("\"label\",p:a,p:b,\xff\n\"a\n\",1,0\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, err := readCSV("f.csv", bytes.NewReader(data), fuzzLabels)
		checkRows(t, rows, err, fuzzLabels)
	})
}

func FuzzJSONLines(f *testing.F) {
	f.Add([]byte("{\"scores\": [0.25, 0.75], \"label\": \"a\"}\n"))
	f.Add([]byte("{\"scores\": [1e308], \"label\": \"b\", \"id\": [[]]}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, err := readJSONLines("f.jsonl", data, fuzzLabels)
		checkRows(t, rows, err, fuzzLabels)
	})
}

func FuzzNPY(f *testing.F) {
	for name := range npyFiles {
		f.Add(npyFile(f, name))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := parseNPY(data)
		if err != nil {
			return
		}
		n := 1
		for _, d := range a.shape {
			n *= d
		}
		if len(a.numbers)+len(a.texts) != n {
			t.Fatalf("%d elements of %v", len(a.numbers)+len(a.texts), a.shape)
		}
		rows, err := joinArrays("f", "f", a, &array{shape: []int{a.shape[0]}, numbers: make([]float64, a.shape[0]), whole: true}, fuzzLabels)
		checkRows(t, rows, err, fuzzLabels)
		_, _ = joinArrays("f", "f", &array{shape: []int{a.shape[0]}, numbers: make([]float64, a.shape[0])}, a, fuzzLabels)
	})
}

func FuzzNPZ(f *testing.F) {
	f.Add(zipOf(f, map[string][]byte{"scores.npy": npyFile(f, "float32"), "labels.npy": npyFile(f, "int64")}))
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, err := readNPZ("f.npz", data, fuzzLabels)
		checkRows(t, rows, err, fuzzLabels)
	})
}

package calibrate

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
)

// What numpy 2.4.6 has written by numpy.lib.format.write_array.
var npyFiles = map[string]string{
	// [[.25, .75], [1, 0]]
	"float32":                "k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDIpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAIA+AABAPwAAgD8AAAAA",
	"float64, big, format 2": "k05VTVBZAgB0AAAAeydkZXNjcic6ICc+ZjgnLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMiwgMiksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAo/0AAAAAAAAD/oAAAAAAAAP/AAAAAAAAAAAAAAAAAAAA==",
	"fortran":                "k05VTVBZAQB2AHsnZGVzY3InOiAnPGY4JywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMiksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAADQPwAAAAAAAPA/AAAAAAAA6D8AAAAAAAAAAA==",
	// [1, 0]
	"int64": "k05VTVBZAQB2AHsnZGVzY3InOiAnPGk4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoBAAAAAAAAAAAAAAAAAAAA",
	// ["ja", "nein ü"]
	"unicode": "k05VTVBZAQB2AHsnZGVzY3InOiAnPFU2JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIApqAAAAYQAAAAAAAAAAAAAAAAAAAAAAAABuAAAAZQAAAGkAAABuAAAAIAAAAPwAAAA=",
	// [b"ja", b"no"]
	"bytes": "k05VTVBZAQB2AHsnZGVzY3InOiAnfFMyJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIApqYW5v",
}

func npyFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(npyFiles[name])
	if err != nil || len(data) == 0 {
		t.Fatal(name, err)
	}
	return data
}

func TestNPY(t *testing.T) {
	want := []float64{.25, .75, 1, 0}
	for _, name := range []string{"float32", "float64, big, format 2"} {
		a, err := parseNPY(npyFile(t, name))
		if err != nil || !slices.Equal(a.numbers, want) || !slices.Equal(a.shape, []int{2, 2}) || a.whole {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
	if a, err := parseNPY(npyFile(t, "int64")); err != nil || !slices.Equal(a.numbers, []float64{1, 0}) || !a.whole {
		t.Errorf("%+v, %v", a, err)
	}
	if a, err := parseNPY(npyFile(t, "unicode")); err != nil || !slices.Equal(a.texts, []string{"ja", "nein ü"}) {
		t.Errorf("%+v, %v", a, err)
	}
	if a, err := parseNPY(npyFile(t, "bytes")); err != nil || !slices.Equal(a.texts, []string{"ja", "no"}) {
		t.Errorf("%+v, %v", a, err)
	}
	good := npyFile(t, "float32")
	edited := func(old, new string) []byte { return bytes.Replace(good, []byte(old), []byte(new), 1) }
	for want, data := range map[string][]byte{
		"it is no .npy file":               []byte("label,a,b"),
		"it is in Fortran order":           npyFile(t, "fortran"),
		"it has 15 bytes of elements":      good[:len(good)-1],
		"it has 17 bytes of elements":      append(slices.Clone(good), 0),
		"its header is said to have 118":   good[:40],
		"it is of version 9":               append([]byte("\x93NUMPY\x09\x00"), good[8:]...),
		"its elements are O8":              append(edited("<f4", "|O8"), make([]byte, 16)...),
		"its elements are c8":              append(edited("<f4", "<c8"), make([]byte, 16)...),
		"its elements are f0":              edited("<f4", "<f0"),
		"it has 3 dimensions":              edited("(2, 2)", "(2,2,1"+")"),
		"which is too large":               edited("(2, 2), }       ", "(9999999,999999)"),
		"of which nothing is known but de": edited("'descr'", "'desc' "),
	} {
		if a, err := parseNPY(data); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v, %v; want %s", a, err, want)
		}
	}
}

func zipOf(t testing.TB, files map[string][]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for name, data := range files {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestNPZ(t *testing.T) {
	labels := []string{"no", "yes"}
	rows, err := readNPZ("h.npz", zipOf(t, map[string][]byte{"scores.npy": npyFile(t, "float32"), "labels.npy": npyFile(t, "int64")}), labels)
	if err != nil || len(rows) != 2 || rows[0].label != "yes" || rows[1].label != "no" || !slices.Equal(rows[1].scores, []float64{1, 0}) || rows[1].place != "row 2" {
		t.Errorf("%+v, %v", rows, err)
	}
	rows, err = readNPZ("h.npz", zipOf(t, map[string][]byte{"scores.npy": npyFile(t, "float32"), "labels.npy": npyFile(t, "bytes")}), labels)
	if err != nil || rows[0].label != "ja" {
		t.Errorf("%+v, %v", rows, err)
	}
	// Whole numbers are labels where all labels are.
	if label, problem := wholeLabel(7, []string{"3", "7"}); label != "7" || problem != "" {
		t.Errorf("%s, %s", label, problem)
	}
	if _, problem := wholeLabel(2, labels); problem == "" {
		t.Error("index 2 of 2 labels")
	}
	for want, files := range map[string]map[string][]byte{
		`h.npz: it has no array "scores"; its arrays are ["x"]`: {"x.npy": nil},
		`h.npz, array scores: it is no .npy file`:               {"scores.npy": []byte("x"), "labels.npy": npyFile(t, "int64")},
		`h.npz: its scores are no floats`:                       {"scores.npy": npyFile(t, "int64"), "labels.npy": npyFile(t, "int64")},
		`h.npz: its labels have 2 columns`:                      {"scores.npy": npyFile(t, "float32"), "labels.npy": npyFile(t, "float32")},
	} {
		if _, err := readNPZ("h.npz", zipOf(t, files), labels); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := readNPZ("h.npz", zipOf(t, map[string][]byte{"scores.npy": npyFile(t, "float32"), "labels.npy": npyFile(t, "int64")}), []string{"a", "b", "c"}); err == nil ||
		!strings.Contains(err.Error(), "it has 2 scores in a row, the model has 3 labels") {
		t.Error(err)
	}
	if _, err := readNPZ("h.npz", []byte("PK"), labels); err == nil || !strings.Contains(err.Error(), "it is no .npz file") {
		t.Error(err)
	}
}

package calibrate

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Names of the arrays in a .npz file.
const (
	scoresArray = "scores"
	labelsArray = "labels"
)

// readNPZ reads an archive of two arrays, scores and labels, as numpy.savez(file, scores=..., labels=...) writes it.
func readNPZ(file string, data []byte, labels []string) ([]raw, error) {
	const remedy = "write it by numpy.savez(file, scores=..., labels=...)"
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, wrong(file, "", remedy, "it is no .npz file (%v)", err)
	}
	find := func(name string) (*array, error) {
		var names []string
		for _, f := range archive.File {
			names = append(names, strings.TrimSuffix(f.Name, ".npy"))
			if f.Name != name+".npy" {
				continue
			}
			content, err := f.Open()
			if err != nil {
				return nil, wrong(file, "array "+name, remedy, "%v", err)
			}
			defer content.Close()
			text, err := io.ReadAll(io.LimitReader(content, maxFile+1))
			if err == nil && len(text) > maxFile {
				err = fmt.Errorf("it is larger than %d bytes", maxFile)
			}
			var a *array
			if err == nil {
				a, err = parseNPY(text)
			}
			if err != nil {
				return nil, wrong(file, "array "+name, npyRemedy, "%v", err)
			}
			return a, nil
		}
		return nil, wrong(file, "", remedy, "it has no array %q; its arrays are %q", name, names)
	}
	scores, err := find(scoresArray)
	if err != nil {
		return nil, err
	}
	truth, err := find(labelsArray)
	if err != nil {
		return nil, err
	}
	return joinArrays(file, file, scores, truth, labels)
}

// joinArrays makes rows of scores [n, labels], or [n] or [n, 1] for the second of two labels, and labels [n].
func joinArrays(file, labelsFile string, scores, truth *array, labels []string) ([]raw, error) {
	n, k := scores.shape[0], 1
	if len(scores.shape) == 2 {
		k = scores.shape[1]
	}
	switch {
	case scores.texts != nil || scores.whole:
		return nil, wrong(file, "", npyRemedy, "its scores are no floats")
	case k != len(labels) && !(k == 1 && len(labels) == 2):
		return nil, wrong(file, "", fmt.Sprintf("save one column for each of the labels %s", quoted(labels)), "it has %d scores in a row, the model has %d labels", k, len(labels))
	case len(truth.shape) == 2 && truth.shape[1] != 1:
		return nil, wrong(labelsFile, "", npyRemedy, "its labels have %d columns", truth.shape[1])
	case truth.shape[0] != n:
		return nil, wrong(labelsFile, "", "save one label for each row of scores", "it has %d labels for %d rows of scores", truth.shape[0], n)
	case truth.texts == nil && !truth.whole:
		return nil, wrong(labelsFile, "", npyRemedy, "its labels are floats")
	}
	rows := make([]raw, n)
	for i := range rows {
		rows[i] = raw{place: fmt.Sprintf("row %d", i+1), scores: scores.numbers[i*k : (i+1)*k]}
		if truth.texts != nil {
			rows[i].label = truth.texts[i]
			continue
		}
		label, problem := wholeLabel(truth.numbers[i], labels)
		if problem != "" {
			return nil, wrong(labelsFile, rows[i].place, "write the label's text, or its index from 0", "%s", problem)
		}
		rows[i].label = label
	}
	return rows, nil
}

// wholeLabel is what an integer stands for: the label that is written so where all labels are whole numbers, else the index from 0.
func wholeLabel(v float64, labels []string) (label, problem string) {
	named := !slices.ContainsFunc(labels, func(l string) bool { _, err := strconv.Atoi(l); return err != nil })
	if named {
		return strconv.FormatFloat(v, 'f', -1, 64), ""
	}
	if v < 0 || v >= float64(len(labels)) {
		return "", fmt.Sprintf("label %v is outside of 0 to %d", v, len(labels)-1)
	}
	return labels[int(v)], ""
}

package config

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Report writes faults for people: one a line, then a line that counts them. The error is w's.
func Report(w io.Writer, file string, faults Faults) error {
	var b strings.Builder
	for _, f := range faults {
		b.WriteString(f.String())
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%s: %s\n", file, summary(faults))
	_, err := io.WriteString(w, b.String())
	return err
}

func summary(faults Faults) string {
	errors, warnings := len(faults.Errors()), len(faults.Warnings())
	switch {
	case errors > 0 && warnings > 0:
		return count(errors, "fault") + ", " + count(warnings, "warning")
	case errors > 0:
		return count(errors, "fault")
	case warnings > 0:
		return "no faults, " + count(warnings, "warning")
	}
	return "no faults"
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// The JSON form, which scripts depend on: fields are only ever added.
type reportJSON struct {
	File     string      `json:"file"`
	OK       bool        `json:"ok"`
	Errors   int         `json:"errors"`
	Warnings int         `json:"warnings"`
	Faults   []faultJSON `json:"faults"`
}

type faultJSON struct {
	File     string `json:"file"`
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	Severity string `json:"severity"`
	Field    string `json:"field"`
	Problem  string `json:"problem"`
	Remedy   string `json:"remedy"`
}

// ReportJSON writes faults for programs, as one JSON object: {"file", "ok", "errors", "warnings", "faults": [{"file", "line",
// "column", "severity": "error" or "warning", "field", "problem", "remedy"}]}. ok is true when there is no error. The error
// is w's.
func ReportJSON(w io.Writer, file string, faults Faults) error {
	report := reportJSON{
		File:     file,
		Errors:   len(faults.Errors()),
		Warnings: len(faults.Warnings()),
		Faults:   make([]faultJSON, len(faults)),
	}
	report.OK = report.Errors == 0
	for i, f := range faults {
		severity := "error"
		if f.Warning {
			severity = "warning"
		}
		report.Faults[i] = faultJSON{f.File, f.Line, f.Column, severity, f.Field, f.Problem, f.Remedy}
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(report)
}

package soak

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// writeReport writes what was measured as a page, as text and as JSON, when it was asked for.
func writeReport() error {
	if *reportDir == "" {
		return nil
	}
	slices.SortStableFunc(report, func(a, b *figures) int { return a.Promise - b.Promise })
	var html bytes.Buffer
	if err := page.Execute(&html, pageOf()); err != nil {
		return err
	}
	data, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(*reportDir, 0o755); err != nil {
		return err
	}
	for name, content := range map[string][]byte{"report.html": html.Bytes(), "report.txt": []byte(text()), "report.json": append(data, '\n')} {
		if err := os.WriteFile(filepath.Join(*reportDir, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// howLong says how long each promise was tried.
func howLong() string {
	if !long() {
		return "short form, a few seconds each"
	}
	return "at least " + (*soakFor).String() + " each"
}

func text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Ten promises: %s\n", howLong())
	for _, f := range report {
		fmt.Fprintf(&b, "\n%-6s %2d. %s (%.0f s)\n          %s\n", f.verdict(), f.Promise, f.Title, f.Seconds, f.Does)
		for _, v := range f.Figures {
			fmt.Fprintf(&b, "          %-52s %s\n", v.Name, v.Value)
		}
	}
	return b.String()
}

func (f *figures) verdict() string {
	if f.Kept {
		return "KEPT"
	}
	return "BROKEN"
}

// pageData is what the page shows.
type pageData struct {
	When, HowLong, Machine string
	Promises               []pagePromise
	Missing                []int
}

type pagePromise struct {
	*figures
	Verdict string
	Picture template.HTML
}

// promises is how many there are.
const promises = 10

func pageOf() pageData {
	d := pageData{
		When: time.Now().UTC().Format("2006-01-02 15:04 MST"), HowLong: howLong(),
		Machine: fmt.Sprintf("%d processors, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version()),
	}
	tried := map[int]bool{}
	for _, f := range report {
		tried[f.Promise] = true
		d.Promises = append(d.Promises, pagePromise{f, f.verdict(), f.picture})
	}
	for n := 1; n <= promises; n++ {
		if !tried[n] {
			d.Missing = append(d.Missing, n)
		}
	}
	return d
}

var page = template.Must(template.New("report").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Ten promises</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24; background: #fff }
h1 { font-size: 1.5rem; margin-bottom: 0 } h2 { font-size: 1.1rem; margin: 2rem 0 .2rem }
p { margin: .2rem 0 .6rem } .quiet { color: #57606a }
.KEPT { color: #116329 } .BROKEN { color: #a40e26 }
table { border-collapse: collapse; width: 100% } td { border-top: 1px solid #d0d7de; padding: .25rem .5rem; vertical-align: top }
td:first-child { width: 40%; color: #57606a } svg { width: 100%; height: auto; margin-top: .6rem }
</style></head><body>
<h1>Ten promises</h1>
<p class="quiet">{{.When}} · {{.HowLong}} · {{.Machine}}</p>
{{with .Missing}}<p class="BROKEN">Not tried in this run: {{range $i, $n := .}}{{if $i}}, {{end}}{{$n}}{{end}}.</p>{{end}}
{{range .Promises}}<h2>{{.Promise}}. {{.Title}} — <span class="{{.Verdict}}">{{.Verdict}}</span></h2>
<p>{{.Does}} <span class="quiet">({{printf "%.0f" .Seconds}} s)</span></p>
<table>{{range .Figures}}<tr><td>{{.Name}}</td><td>{{.Value}}</td></tr>{{end}}</table>
{{.Picture}}
{{end}}</body></html>
`))

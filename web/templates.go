package web

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/candor-gateway/candor/limits"
)

//go:embed templates/*.html
var templateFiles embed.FS

// templates are one set for each page: the layout and what is shared (files that begin with _), and the page's own file.
type templates struct {
	pages map[string]*template.Template
}

func loadTemplates(a *assets) (*templates, error) {
	shared, err := template.New("").Funcs(functions(a)).Option("missingkey=error").ParseFS(templateFiles, "templates/_*.html")
	if err != nil {
		return nil, err
	}
	files, err := fs.Glob(templateFiles, "templates/[a-z]*.html")
	if err != nil {
		return nil, err
	}
	t := &templates{pages: map[string]*template.Template{}}
	for _, file := range files {
		set, err := shared.Clone()
		if err != nil {
			return nil, err
		}
		if set, err = set.ParseFS(templateFiles, file); err != nil {
			return nil, err
		}
		t.pages[strings.TrimSuffix(path.Base(file), ".html")] = set
	}
	return t, nil
}

// execute writes a part of a page: its layout or its fragment.
func (t *templates) execute(w io.Writer, page, part string, data any) error {
	set := t.pages[page]
	if set == nil {
		return fmt.Errorf("web: no template %q", page)
	}
	return set.ExecuteTemplate(w, part, data)
}

// functions that templates may call. All of them answer text, which the templates escape.
func functions(a *assets) template.FuncMap {
	return template.FuncMap{
		"asset": a.hrefOf,
		"span":  span,
		"count": count,
		// Of a number and its unit.
		"words":   limits.Words,
		"figure":  limits.Figure,
		"percent": percent,
		// Of a number in [0,1].
		"percentage": percentage,
		"hundred":    func(x float64) float64 { return hundred * min(max(x, 0), 1) },
		"idname":     queueName,
		"number":     number,
		"plain":      plain,
		"marks":      marks,
		"id":         shortID,
		"moment":     moment,
		"clock":      clock,
		"machine":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"args":       args,
		"short":      short,
		"ago":        ago,
		"meter":      meterOf,
		"px":         px,
		"device":     device,
	}
}

// args lets a template hand several values to another: args "name" value ...
func args(pairs ...any) (map[string]any, error) {
	m := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		key, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("web: args: %v is no name", pairs[i])
		}
		m[key] = pairs[i+1]
	}
	return m, nil
}

package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"time"
)

//go:embed static
var static embed.FS

// assets are the files that pages load. Their addresses hold a digest of their contents, so that a browser keeps them for good
// and never has an old one.
type assets struct {
	byPath map[string]asset  // by address
	href   map[string]string // by name
}

type asset struct {
	name string
	data []byte
	mime string
}

func loadAssets() (*assets, error) {
	a := &assets{byPath: map[string]asset{}, href: map[string]string{}}
	err := fs.WalkDir(static, "static", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := static.ReadFile(file)
		if err != nil {
			return err
		}
		name := path.Base(file)
		kind := mimeTypes[path.Ext(name)]
		if kind == "" {
			return nil // a licence
		}
		sum := sha256.Sum256(data)
		const enough = 8
		href := "/static/" + hex.EncodeToString(sum[:enough]) + "/" + name
		a.byPath[href], a.href[name] = asset{name: name, data: data, mime: kind}, href
		return nil
	})
	return a, err
}

// mimeTypes doesn't ask package mime, whose answers hang on the machine's files.
var mimeTypes = map[string]string{
	".css": mime.FormatMediaType("text/css", map[string]string{"charset": "utf-8"}),
	".js":  mime.FormatMediaType("text/javascript", map[string]string{"charset": "utf-8"}),
	".svg": "image/svg+xml",
}

// hrefOf is the address of a file in static, for templates.
func (a *assets) hrefOf(name string) (string, error) {
	href, ok := a.href[name]
	if !ok {
		return "", fmt.Errorf("web: no file static/%s", name)
	}
	return href, nil
}

func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := a.byPath[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", f.mime)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeContent(w, r, f.name, time.Time{}, bytes.NewReader(f.data))
}

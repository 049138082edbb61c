package importtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// source is one Go file.
type source struct {
	dir     string // of its package, from the root of the repository, with slashes
	test    bool
	imports []imported
	uses    []use
}

// imported is one import of a file.
type imported struct {
	path string
	name string // given to it in the file, or its usual one; "." and "_" as they stand
	pos  token.Position
}

// use is one mention of a name of an imported package: time.Now, called or not.
type use struct {
	path, name string
	pos        token.Position
}

// readTree parses every Go file of the module: not of nested modules, test data and vendored code.
func readTree(t *testing.T, root string) []source {
	t.Helper()
	var files []source
	err := filepath.WalkDir(root, func(p string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		name := entry.Name()
		if entry.IsDir() {
			if rel == "." {
				return nil
			}
			_, err := os.Stat(filepath.Join(p, "go.mod"))
			if err == nil || name == "testdata" || name == "vendor" || name == "third_party" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
			return nil
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		f, err := parse(rel, text)
		if err != nil {
			return err
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// parse reads one file; rel is its path from the root, with slashes.
func parse(rel string, text []byte) (source, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, rel, text, parser.SkipObjectResolution)
	if err != nil {
		return source{}, err
	}
	f := source{dir: path.Dir(rel), test: strings.HasSuffix(rel, "_test.go")}
	byName := map[string]string{}
	for _, spec := range file.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return source{}, err
		}
		name := usualName(p)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		byName[name] = p
		f.imports = append(f.imports, imported{p, name, set.Position(spec.Pos())})
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && byName[x.Name] != "" {
				f.uses = append(f.uses, use{byName[x.Name], sel.Sel.Name, set.Position(sel.Pos())})
			}
		}
		return true
	})
	return f, nil
}

var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

// usualName guesses a package's name from its path; right for those that have owners.
func usualName(p string) string {
	base := path.Base(p)
	if majorVersion.MatchString(base) {
		base = path.Base(path.Dir(p))
	}
	return base
}

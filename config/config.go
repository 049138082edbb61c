package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Load reads the file at path and returns its configuration, with defaults, or a non-nil error of type [Faults] that lists
// everything that is wrong. Warnings alone are not an error; [Check] tells them. What Load returns, a gateway can be built of.
func Load(path string) (*candorv1.Config, error) {
	cfg, faults := Check(path)
	if len(faults.Errors()) > 0 {
		return nil, faults
	}
	return cfg, nil
}

// Check reads the file at path as [Parse] reads a text, and looks at the TLS files that it names too: their names are relative
// to the folder of path. A file that can't be read is a fault like any other.
func Check(path string) (*candorv1.Config, Faults) {
	text, err := readFile(path)
	if err != nil {
		return &candorv1.Config{}, Faults{{
			File: path, Line: 1, Column: 1,
			Problem: "can't read the file: " + reason(err),
			Remedy:  "name a configuration file that exists and that you may read",
		}}
	}
	return parse(path, text, surroundings{now: time.Now(), folder: filepath.Dir(path), files: true})
}

// Parse reads a YAML text; name stands for it in the faults. The configuration is never nil: with errors among the faults it
// holds what could be read, which is for looking at and not for running. Parse touches no file; the clock tells it whether a
// model was made in the future.
func Parse(name string, yaml []byte) (*candorv1.Config, Faults) {
	return parse(name, yaml, surroundings{now: time.Now()})
}

// surroundings are what a check may know besides the text.
type surroundings struct {
	now time.Time
	// folder is what relative file names start from.
	folder string
	// files says that the files named may be looked at.
	files bool
}

func parse(name string, text []byte, around surroundings) (*candorv1.Config, Faults) {
	src := newSource(name)
	cfg := &candorv1.Config{}
	root := src.readYAML(text)
	if root != nil {
		src.decode(root, cfg)
		if !src.halted {
			src.checkRules(cfg)
			src.checkLongest(cfg)
		}
	}
	ApplyDefaults(cfg)
	if root != nil && !src.halted {
		check(src, cfg, around)
	}
	return cfg, src.faults.sorted()
}

// maxText bounds the size of a configuration, in bytes. 60 models with their cards take about a tenth of it.
const maxText = 4 << 20

// readFile reads at most maxText bytes of a file, and one more, which tells Parse that it is too large.
func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxText+1))
}

// reason is err without the file name that the fault already has.
func reason(err error) string {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err.Error()
	}
	return err.Error()
}

package digits

import (
	"bytes"
	_ "embed"
)

//go:embed candor.yaml
var configuration []byte

// Configuration is the gateway's configuration for the three models: the text of candor.yaml, the caller's to change.
func Configuration() []byte { return bytes.Clone(configuration) }

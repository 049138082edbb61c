package server

import (
	"path/filepath"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// stdout is the trace_file that is no file.
const stdout = "-"

// resolve makes every file name in the configuration start at its folder, so that it doesn't matter where candor is started.
func resolve(cfg *candorv1.Config, folder string) {
	var names []*string
	if t := cfg.GetListen().GetTls(); t != nil {
		names = append(names, &t.CertFile, &t.KeyFile, &t.ClientCaFile)
	}
	if s := cfg.GetStore().GetSqlite(); s != nil {
		names = append(names, &s.Path)
	}
	for _, b := range cfg.GetBackends() {
		if t := b.GetTls(); t != nil {
			names = append(names, &t.CaFile, &t.CertFile, &t.KeyFile)
		}
	}
	if o := cfg.GetPeople().GetOidc(); o != nil {
		names = append(names, &o.ClientSecretFile)
	}
	for _, l := range cfg.GetLimits() {
		for _, a := range l.GetAlerts() {
			names = append(names, &a.SecretFile)
		}
	}
	if t := cfg.GetTelemetry(); t != nil && t.GetTraceFile() != stdout {
		names = append(names, &t.TraceFile)
	}
	for _, name := range names {
		if *name != "" && !filepath.IsAbs(*name) {
			*name = filepath.Join(folder, *name)
		}
	}
}

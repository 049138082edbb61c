package config_test

import (
	"fmt"
	"os"

	"github.com/candor-gateway/candor/config"
)

// A program that serves wants a configuration that works, or the list of what to correct.
func ExampleLoad() {
	cfg, err := config.Load("../examples/candor.yaml")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(cfg.GetListen().GetGrpc(), cfg.GetListen().GetDrainTimeout().AsDuration())
	// Output: 127.0.0.1:8500 30s
}

// A program that checks wants everything, warnings too.
func ExampleParse() {
	_, faults := config.Parse("candor.yaml", []byte("listen:\n  grpc: 127.0.0.1:8500\n  drain_timout: 1 minute\n"))
	for _, fault := range faults {
		if fault.Line > 1 {
			fmt.Println(fault)
		}
	}
	// Output:
	// candor.yaml:3:3: listen.drain_timout: unknown key "drain_timout"; write drain_timeout
	// candor.yaml:3:17: listen.drain_timeout: "1 minute" is not a duration; write a number with a unit, such as 250ms, 5m or 24h
}

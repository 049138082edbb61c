// Command candor is the gateway, and everything that is done with it from a terminal. candor help lists what there is.
package main

import (
	"context"
	"os"
	_ "time/tzdata" // Images without a database of time zones know the hours of queues, too.

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
)

func main() {
	root := newRoot(programVersion())
	root.SetContext(context.Background())
	os.Exit(cli.Report(os.Stderr, cli.Execute(root, os.Args[1:])))
}

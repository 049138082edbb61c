package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/candor-gateway/candor/examples/digits"
)

// cmdHeldOut writes the first N held-out digits as candor calibrate --replay reads them.
func cmdHeldOut(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: heldout N FILE")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	set, err := digits.Load()
	ts.Check(err)
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	for _, img := range set.Split(digits.Seed).HeldOut[:n] {
		ts.Check(enc.Encode(map[string]any{"inputs": map[string]any{"image": img.Pixels}, "label": strconv.Itoa(img.Label)}))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), out.Bytes(), 0o600))
}

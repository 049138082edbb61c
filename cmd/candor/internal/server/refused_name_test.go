package server

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/candor-gateway/candor/store/sqlite"
)

// A start that is refused after the store was read, because a port is taken, has noted nothing of its limits: the name is free for what counts
// something else. Once it was served, it isn't.
func TestRefusedStartTakesNoName(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file := filepath.Join(folder, "candor.yaml")
	const free = `{grpc: "127.0.0.1:0", http: "127.0.0.1:0"}`
	config := func(listen, bound string) string {
		text := strings.NewReplacer("$MODEL", "127.0.0.1:9", free, listen, "      answers:", `      actions: [{name: pay, when: {label_in: ["yes"]}}]
      answers:`).Replace(plainConfig)
		return text + "limits: {pays: {action: pay, window: 1h, on_trip: reject, " + bound + "}}\n"
	}
	const count, sum = "max_count: 5", "sum: {amount: {parameter: cents}, unit: EUR cents, max: 500}"
	write(t, file, config(free, count))
	if _, _, err := Init(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	noted := func() map[string]string {
		t.Helper()
		store, err := sqlite.Open(t.Context(), filepath.Join(folder, "candor.db"), "s", sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = store.Close(context.Background()) }()
		names, err := store.Declared(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for field, ports := range map[string]string{
		"listen.grpc": `{grpc: "TAKEN", http: "127.0.0.1:0"}`,
		"listen.http": `{grpc: "127.0.0.1:0", http: "TAKEN"}`,
		"listen.web":  `{grpc: "127.0.0.1:0", web: "TAKEN", public_url: "https://review.example.com"}` + "\npeople: {local: true}",
	} {
		write(t, file, config(strings.Replace(ports, "TAKEN", taken.Addr().String(), 1), count))
		if err := Run(t.Context(), Options{Config: file}); err == nil || !strings.HasPrefix(err.Error(), field+": ") || !strings.Contains(err.Error(), "another program has the port") {
			t.Errorf("%s: %v", field, err)
		}
		if names := noted(); len(names) > 0 {
			t.Errorf("%s was refused, and %v is noted", field, names)
		}
	}
	write(t, file, config(free, sum))
	_, stop := start(t, file)
	stop()
	if names := noted(); len(names) != 1 {
		t.Errorf("served, and %v is noted", names)
	}
	write(t, file, config(free, count))
	if err := Run(t.Context(), Options{Config: file}); err == nil || !strings.Contains(err.Error(), "give it another name") {
		t.Errorf("the name counts something else: %v", err)
	}
}

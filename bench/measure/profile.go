package measure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/candor-gateway/candor/bench/load"
	"github.com/candor-gateway/candor/bench/payload"
	"github.com/candor-gateway/candor/bench/targets"
)

// profileSeconds of each profile: a hundred samples a second make the shares of what matters steady.
const profileSeconds = 8

// ProfileFile is a profile that was written.
type ProfileFile struct{ Regime, Kind, Path string }

// CPU is the kind of profile that tells where time goes.
const CPU = "profile"

// Profile puts a target under each regime's load once more and writes what Go's profilers say meanwhile into dir: CPU time,
// and then what was allocated. Measurements must be over: profilers cost time.
func Profile(ctx context.Context, dir string, t *targets.Target, regimes []Regime) ([]ProfileFile, error) {
	var files []ProfileFile
	for _, r := range regimes {
		began := make(chan struct{})
		loading, cancel := context.WithCancel(ctx)
		loaded := make(chan error, 1)
		go func() {
			_, err := load.Run(loading, load.Options{
				Addr: t.Addr, Method: payload.Method, Message: r.message, Check: r.check(t.Rewrites),
				Connections: connections, InFlight: r.InFlight, Rate: r.Rate,
				Warmup: time.Second, Window: time.Hour, // until it is cancelled
				Edge: func(bool) { close(began) },
			})
			loaded <- err
		}()
		select {
		case <-began:
		case err := <-loaded:
			cancel()
			return files, err
		}
		var err error
		for _, kind := range []string{CPU, "allocs"} {
			name := filepath.Join(dir, fmt.Sprintf("%s-%s-%s.pprof", t.Name, r.Name, kind))
			if err = fetch(ctx, fmt.Sprintf("%s/%s?seconds=%d", t.Pprof, kind, profileSeconds), name); err != nil {
				break
			}
			files = append(files, ProfileFile{r.Name, kind, name})
		}
		cancel()
		if ended := <-loaded; !errors.Is(ended, context.Canceled) {
			err = errors.Join(err, ended)
		}
		if err != nil {
			return files, err
		}
	}
	return files, nil
}

func fetch(ctx context.Context, url, name string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, resp.Status)
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, resp.Body)
	return errors.Join(err, f.Close())
}

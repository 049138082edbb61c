package measure

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/candor-gateway/candor/bench/targets"
)

// allocated is how many bytes of heap a Go target has allocated since it started.
func allocated(ctx context.Context, t *targets.Target) (float64, error) {
	const name = "go_memstats_alloc_bytes_total"
	if t.Metrics == "" {
		return 0, nil
	}
	all, err := Scrape(ctx, t.Metrics)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", t.Name, err)
	}
	v, ok := all[name]
	if !ok {
		return 0, fmt.Errorf("%s: %s has no %s", t.Name, t.Metrics, name)
	}
	return v, nil
}

// Scrape reads metrics in Prometheus' text form: values by name with labels, as they stand there.
func Scrape(ctx context.Context, url string) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return parse(resp.Body)
}

func parse(r io.Reader) (map[string]float64, error) {
	out := map[string]float64{}
	s := bufio.NewScanner(r)
	for s.Scan() {
		line := s.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		if at < 0 {
			return nil, fmt.Errorf("metrics have the line %q", line)
		}
		v, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("metrics have the line %q", line)
		}
		out[line[:at]] = v
	}
	return out, s.Err()
}

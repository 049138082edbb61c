package proxy

import (
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// ServeMetrics serves Go's own metrics at addr, so that allocations can be counted as Candor's are. They cost nothing while
// nobody asks.
func ServeMetrics(addr string) (closeServer func() error, err error) {
	lis, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector())
	const headerTimeout = 5 * time.Second
	srv := &http.Server{Handler: promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), ReadHeaderTimeout: headerTimeout}
	go func() { _ = srv.Serve(lis) }() // ends by Close; a benchmark without its metrics fails when it asks for them
	return srv.Close, nil
}

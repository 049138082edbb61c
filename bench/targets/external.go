package targets

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// The proxies of the distribution, one worker each, with the settings that people who know them use for gRPC.
const (
	nginxConfig = `daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr warn;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path nginx-body;
  proxy_temp_path nginx-proxy;
  fastcgi_temp_path nginx-fastcgi;
  uwsgi_temp_path nginx-uwsgi;
  scgi_temp_path nginx-scgi;
  keepalive_requests 1000000000;
  client_max_body_size 64m;
  http2_body_preread_size 1m;
  http2_max_concurrent_streams 1024;
  upstream model {
    server $STUB;
    keepalive 256;
    keepalive_requests 1000000000;
  }
  server {
    listen $ADDR http2;
    location / { grpc_pass grpc://model; }
  }
}
`
	haproxyConfig = `global
  nbthread 1
  tune.h2.initial-window-size 1048576
defaults
  mode http
  timeout connect 5s
  timeout client 1m
  timeout server 1m
frontend callers
  bind $ADDR proto h2
  default_backend model
backend model
  http-reuse always
  server stub $STUB proto h2
`
)

// external starts a program with a configuration file.
func (s *Set) external(ctx context.Context, name, about, config string, command func(path, file, addr string) []string) (*Target, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		// Debian's /usr/sbin is not in everybody's PATH.
		if path, err = exec.LookPath("/usr/sbin/" + name); err != nil {
			return nil, fmt.Errorf("%s is %w (Debian has it in the package of the same name; nghttpx is in nghttp2-proxy)", name, ErrAbsent)
		}
	}
	addr, p, err := s.listen(ctx, name, s.o.ProxyCore, func(addr string) ([]string, error) {
		file, err := s.write(name+".conf", strings.NewReplacer("$ADDR", addr, "$STUB", s.stub).Replace(config))
		return command(path, file, addr), err
	})
	return &Target{Addr: addr, Process: p, About: about + " (" + version(path) + ")"}, err
}

// version is the first line of what a program says about itself.
func version(path string) string {
	out, err := exec.Command(path, "-v").CombinedOutput()
	if err != nil {
		return "unknown version"
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	line, _, _ = strings.Cut(line, " - http")
	return line
}

func nginx(ctx context.Context, s *Set) (*Target, error) {
	return s.external(ctx, "nginx", "grpc_pass, one worker, keepalive 256, http2_body_preread_size 1m", nginxConfig,
		func(path, file, _ string) []string { return []string{path, "-p", s.o.Dir, "-c", file} })
}

func haproxy(ctx context.Context, s *Set) (*Target, error) {
	return s.external(ctx, "haproxy", "HTTP/2 on both sides, one thread, windows of 1 MiB", haproxyConfig,
		func(path, file, _ string) []string { return []string{path, "-db", "-f", file} })
}

func nghttpx(ctx context.Context, s *Set) (*Target, error) {
	const window = "1048575"
	return s.external(ctx, "nghttpx", "HTTP/2 on both sides, one worker, windows of 1 MiB", "",
		func(path, file, addr string) []string {
			return []string{path, "--conf=" + file, "--workers=1", "--errorlog-file=/dev/stderr", "--accesslog-file=/dev/null",
				"--frontend=" + strings.Replace(addr, ":", ",", 1) + ";no-tls",
				"--backend=" + strings.Replace(s.stub, ":", ",", 1) + ";;proto=h2",
				"--frontend-http2-window-size=" + window, "--backend-http2-window-size=" + window,
				"--frontend-http2-connection-window-size=16777215", "--backend-http2-connection-window-size=16777215",
			}
		})
}

package backend

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// The defaults that candor.v1.Replicas documents.
const (
	defaultProbeEvery     = 2 * time.Second
	defaultResolveEvery   = 30 * time.Second
	defaultFailuresInARow = 5
	defaultFailureMargin  = 0.3
	defaultReplicaCalls   = 20
	defaultReplicaWindow  = 30 * time.Second
	defaultEjection       = 10 * time.Second
	defaultMaxEjection    = 5 * time.Minute
	defaultMaxEjected     = 0.5
	defaultPanicThreshold = 0.5
	defaultSlowRatio      = 5
	defaultSlowCalls      = 20
	defaultSlowBy         = 10 * time.Millisecond
)

// place is where a backend's model servers are: one of three.
type place struct {
	// address is the one host:port.
	address string
	// addresses are the replicas', each host:port.
	addresses []string
	// host and port of a name whose records are the replicas.
	name, port string
}

// String is the place as the configuration spells it, for operators.
func (p place) String() string {
	switch {
	case len(p.addresses) > 0:
		return strings.Join(p.addresses, ", ")
	case p.name != "":
		return byName + net.JoinHostPort(p.name, p.port)
	}
	return p.address
}

// hosts are the names in the place, which callers must not see.
type hosts []string

func (h hosts) has(name string) bool {
	return slices.ContainsFunc(h, func(own string) bool { return own != "" && strings.EqualFold(own, name) })
}

// compilePlace reads the address or the addresses. Errors name the field.
func compilePlace(cfg *candorv1.Backend) (place, hosts, error) {
	list := cfg.GetAddresses()
	if len(list) > 0 && cfg.GetAddress() != "" {
		return place{}, nil, fmt.Errorf("addresses: stands beside address; write one of them")
	}
	if len(list) == 0 {
		rest, many := strings.CutPrefix(cfg.GetAddress(), byName)
		host, port, err := net.SplitHostPort(rest)
		if err != nil || host == "" || port == "" {
			return place{}, nil, fmt.Errorf("address: %q is not host:port; write the model server's gRPC address, for example localhost:8001", cfg.GetAddress())
		}
		if many {
			return place{name: host, port: port}, hosts{host}, nil
		}
		if cfg.GetReplicas() != nil {
			return place{}, nil, fmt.Errorf("replicas: there is one address; write addresses, or an address of dns:///, or take it out")
		}
		return place{address: rest}, hosts{host}, nil
	}
	seen := map[string]bool{}
	var names hosts
	for i, address := range list {
		host, port, err := net.SplitHostPort(address)
		switch {
		case err != nil || host == "" || port == "":
			return place{}, nil, fmt.Errorf("addresses[%d]: %q is not host:port; write the gRPC address of a model server, for example localhost:8001", i, address)
		case seen[address]:
			return place{}, nil, fmt.Errorf("addresses[%d]: %q is there twice; take one out", i, address)
		}
		seen[address] = true
		names = append(names, host)
	}
	return place{addresses: list}, names, nil
}

// replicaSettings are a candor.v1.Replicas with its defaults filled in.
type replicaSettings struct {
	probeEvery, resolveEvery   time.Duration
	failuresInARow             int
	failureMargin              float64
	minCalls                   int64
	window                     time.Duration
	ejection, maxEjection      time.Duration
	maxEjected, panicThreshold float64
	// slowRatio 0: nobody is ejected for being slow.
	slowRatio float64
	slowCalls int
	slowBy    time.Duration
}

func compileReplicas(cfg *candorv1.Replicas) (replicaSettings, error) {
	s := replicaSettings{
		probeEvery: orDefault(cfg.GetProbeEvery(), defaultProbeEvery), resolveEvery: orDefault(cfg.GetResolveEvery(), defaultResolveEvery),
		failuresInARow: defaultFailuresInARow, failureMargin: defaultFailureMargin, minCalls: defaultReplicaCalls,
		window:   orDefault(cfg.GetWindow(), defaultReplicaWindow),
		ejection: orDefault(cfg.GetEjection(), defaultEjection), maxEjection: orDefault(cfg.GetMaxEjection(), defaultMaxEjection),
		maxEjected: defaultMaxEjected, panicThreshold: defaultPanicThreshold,
		slowRatio: defaultSlowRatio, slowCalls: defaultSlowCalls, slowBy: orDefault(cfg.GetSlowBy(), defaultSlowBy),
	}
	if cfg != nil {
		if cfg.FailuresInARow != nil {
			s.failuresInARow = int(cfg.GetFailuresInARow())
		}
		if cfg.FailureMargin != nil {
			s.failureMargin = cfg.GetFailureMargin()
		}
		if cfg.MinCalls != nil {
			s.minCalls = int64(cfg.GetMinCalls())
		}
		if cfg.MaxEjected != nil {
			s.maxEjected = cfg.GetMaxEjected()
		}
		if cfg.PanicThreshold != nil {
			s.panicThreshold = cfg.GetPanicThreshold()
		}
		if cfg.SlowRatio != nil {
			s.slowRatio = cfg.GetSlowRatio()
		}
		if cfg.SlowCalls != nil {
			s.slowCalls = int(cfg.GetSlowCalls())
		}
	}
	return s, s.check()
}

// check names fields relative to replicas.
func (s *replicaSettings) check() error {
	share := func(v float64) bool { return v >= 0 && v <= 1 }
	switch {
	case s.probeEvery <= 0:
		return fmt.Errorf("probe_every: is %v; write a time above 0", s.probeEvery)
	case s.resolveEvery < time.Second:
		return fmt.Errorf("resolve_every: is %v; write at least 1s", s.resolveEvery)
	case s.failuresInARow < 1:
		return fmt.Errorf("failures_in_a_row: is 0; write at least 1")
	case !(s.failureMargin > 0 && s.failureMargin <= 1):
		return fmt.Errorf("failure_margin: is %v; write a share above 0 and at most 1", s.failureMargin)
	case s.minCalls < 1:
		return fmt.Errorf("min_calls: is 0; write at least 1")
	case s.window < time.Second:
		return fmt.Errorf("window: is %v; write at least 1s", s.window)
	case s.ejection <= 0 || s.maxEjection < s.ejection:
		return fmt.Errorf("max_ejection: is %v with ejection %v; write at least that, and both above 0", s.maxEjection, s.ejection)
	case !share(s.maxEjected):
		return fmt.Errorf("max_ejected: is %v; write a share from 0 to 1", s.maxEjected)
	case !share(s.panicThreshold):
		return fmt.Errorf("panic_threshold: is %v; write a share from 0 to 1", s.panicThreshold)
	case s.slowRatio != 0 && !(s.slowRatio >= slowRatioLeast):
		return fmt.Errorf("slow_ratio: is %v; write at least %v, or 0 to eject nobody for being slow", s.slowRatio, slowRatioLeast)
	case s.slowCalls < trialAnswers || s.slowCalls > paceKept:
		return fmt.Errorf("slow_calls: is %d; write a number from %d to %d", s.slowCalls, trialAnswers, paceKept)
	case s.slowBy < 0:
		return fmt.Errorf("slow_by: is %v; write a time that isn't negative", s.slowBy)
	}
	return nil
}

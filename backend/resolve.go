package backend

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

const (
	// lookupTimeout bounds one question to the name server.
	lookupTimeout = 5 * time.Second
	// lookGap is the least time between two of them, however many connections break.
	lookGap = time.Second
	// lookAgain is when a name is looked up again that could not be, or while one of its replicas can't be reached: its record may
	// outlive it for a while.
	lookAgain = 5 * time.Second
	// maxReplicas is how many records of a name are used.
	maxReplicas = 256
)

// byName is how an address begins whose records are replicas. gRPC spells such targets in the same way.
const byName = "dns:///"

// resolve looks the name up until the fleet's end. What it can't find out leaves the replicas as they are.
func (f *fleet) resolve() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	failing := false
	for {
		select {
		case <-f.life.Done():
			return
		case <-timer.C:
		case <-f.look:
		}
		ctx, cancel := context.WithTimeout(f.life, lookupTimeout)
		addresses, err := f.lookup(ctx)
		cancel()
		if err == nil {
			err = f.setAddresses(addresses)
		}
		if f.life.Err() != nil {
			return
		}
		if err != nil && !failing {
			f.log.Warn("the backend's name could not be looked up; its replicas stay as they are", "error", err)
		}
		failing = err != nil
		timer.Reset(f.nextLook(failing))
		if !f.pause(lookGap) {
			return
		}
	}
}

// pause waits, and says whether the fleet still lives.
func (f *fleet) pause(d time.Duration) bool {
	select {
	case <-f.life.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// nextLook is when to look again: a little earlier than at the full time, so that many gateways don't ask in step.
func (f *fleet) nextLook(failing bool) time.Duration {
	wait := f.set.resolveEvery - rand.N(f.set.resolveEvery/10)
	f.mu.Lock()
	defer f.mu.Unlock()
	if failing || len(those(f.all, func(s *standing) bool { return s.link == linkDown })) > 0 {
		wait = min(wait, lookAgain)
	}
	return wait
}

// lookupOf answers a lookup of a name's addresses, sorted, each with the port.
func lookupOf(host, port string, ask func(ctx context.Context, host string) ([]string, error)) func(context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) {
		found, err := ask(ctx, host)
		if err != nil {
			return nil, err
		}
		var out []string
		for _, text := range found {
			ip, err := netip.ParseAddr(text)
			if err != nil {
				return nil, fmt.Errorf("%s has a record that is no address: %q", host, text)
			}
			out = append(out, net.JoinHostPort(ip.Unmap().String(), port))
		}
		slices.SortFunc(out, strings.Compare)
		out = slices.Compact(out)
		if len(out) == 0 {
			return nil, fmt.Errorf("%s has no address", host)
		}
		return out[:min(len(out), maxReplicas)], nil
	}
}

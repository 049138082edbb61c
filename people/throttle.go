package people

import (
	"net/netip"
	"sync"
	"time"
)

// How often logins may fail: of one user's password, and from one remote address, within the window. Then they are refused unlooked-at
// until the window has passed. Passkeys and OIDC are only held to the address's: nobody guesses a key, and whoever locks a user's
// password must not lock out the user.
const (
	throttleWindow    = 15 * time.Minute
	failuresOfUser    = 10
	failuresOfAddress = 50
	// refusalsRecorded bounds, for the whole gateway and window, how many refused logins are recorded in the decision log: strangers
	// must not be able to fill it. All are in the program's log.
	refusalsRecorded = 300
	// throttleKeys bounds the memory; beyond it the oldest windows are forgotten first.
	throttleKeys = 20_000
)

// throttle counts failures in memory, each gateway its own: behind n gateways somebody has n times as many tries. It forgets all when
// the process ends. Safe for concurrent use.
type throttle struct {
	mu      sync.Mutex
	windows map[string]*failures
}

type failures struct {
	n     int
	began time.Time
}

func newThrottle() *throttle { return &throttle{windows: map[string]*failures{}} }

// take counts a try before its outcome is known, so that tries at the same time can't pass together, and says whether it may be made.
// giveBack takes it back when it succeeded.
func (t *throttle) take(now time.Time, key string, most int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.windows[key]
	if f == nil || now.Sub(f.began) >= throttleWindow {
		t.makeRoom(now)
		f = &failures{began: now}
		t.windows[key] = f
	}
	if f.n >= most {
		return false
	}
	f.n++
	return true
}

func (t *throttle) giveBack(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f := t.windows[key]; f != nil && f.n > 0 {
		f.n--
	}
}

// makeRoom forgets windows that have passed when there are too many, and half of the others, the oldest, when that isn't enough.
func (t *throttle) makeRoom(now time.Time) {
	if len(t.windows) < throttleKeys {
		return
	}
	for age := throttleWindow; len(t.windows) > throttleKeys/2 && age > 0; age -= throttleWindow / 8 {
		for key, f := range t.windows {
			if now.Sub(f.began) >= age {
				delete(t.windows, key)
			}
		}
	}
	if len(t.windows) >= throttleKeys {
		clear(t.windows)
	}
}

// addressKey is what of a remote address is counted: of IPv6 the network of 64 bits, all of which one subscriber has (RFC 6177).
func addressKey(remote string) string {
	addr, err := netip.ParseAddr(remote)
	if err != nil {
		return "address " + remote
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		if network, err := addr.Prefix(64); err == nil {
			return "address " + network.String()
		}
	}
	return "address " + addr.String()
}

package people

import (
	"context"
	"log/slog"
	"net/netip"
	"time"
)

// How often logins may fail: of one user's password, and from one remote address, within the window. Then they are refused unlooked-at
// until the window has passed. Passkeys and OIDC are only held to the address's: nobody guesses a key, and whoever locks a user's
// password must not lock out the user.
const (
	throttleWindow    = 15 * time.Minute
	failuresOfUser    = 10
	failuresOfAddress = 50
	// refusalsRecorded bounds, for the whole store and window, how many refused logins are recorded in the decision log: strangers
	// must not be able to fill it. All are in the program's log.
	refusalsRecorded = 300
)

// throttle counts failures in the store: those of all gateways that share it, whatever becomes of a process. Safe for concurrent use.
type throttle struct {
	store Store
	log   *slog.Logger
}

// take counts a try before its outcome is known and says whether it may be made. giveBack takes it back when it succeeded.
func (t throttle) take(ctx context.Context, key string, most int) (bool, error) {
	return t.store.Try(ctx, SumOf("try "+key), t.store.Now(), most, throttleWindow)
}

// giveBack takes tries back. A store that fails now leaves them counted, which delays nobody who has logged in.
func (t throttle) giveBack(ctx context.Context, keys ...string) {
	for _, key := range keys {
		if err := t.store.GiveBackTry(context.WithoutCancel(ctx), SumOf("try "+key)); err != nil {
			t.log.WarnContext(ctx, "a login that succeeded counts as one that failed", slog.Any("error", err))
		}
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

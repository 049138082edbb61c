package gateway

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/webhook"
)

// receiver is somebody who is told of a limit's trips.
type receiver struct {
	name   string
	target webhook.Target
	// alertmanager: in its form, and again this often while the trip holds; 0: a webhook.
	alertmanager time.Duration
	// secrets sign; each message has a signature of every one.
	secrets []webhook.Secret
	// after the trip it is told, unless somebody has acknowledged it.
	after time.Duration
}

// legacyReceiver is the name of a limit's older webhook among its receivers.
const legacyReceiver = "webhook"

// newReceivers are those of each limit, in the order of the configuration. It reads the files of their secrets.
func newReceivers(cfg *candorv1.Config) (map[string][]receiver, error) {
	out := map[string][]receiver{}
	for name, l := range cfg.GetLimits() {
		var all []receiver
		if l.GetWebhook() != "" {
			all = append(all, receiver{name: legacyReceiver, target: webhook.Target{URL: l.GetWebhook(), AllowPrivate: l.GetAllowPrivate(), Timeout: alertTimeout}})
		}
		var after time.Duration
		for i, a := range l.GetAlerts() {
			r := receiver{name: a.GetName(), after: after, target: webhook.Target{
				URL: a.GetWebhook(), AllowPrivate: a.GetAllowPrivate(), Timeout: a.GetTimeout().AsDuration(),
			}}
			if a.GetAlertmanager() != "" {
				r.alertmanager = a.GetRepeatEvery().AsDuration()
				r.target.URL = strings.TrimSuffix(a.GetAlertmanager(), "/") + "/api/v2/alerts"
			}
			var err error
			if r.secrets, err = readSecrets(a.GetSecretFile()); err != nil {
				return nil, fmt.Errorf("limits.%s.alerts[%d].secret_file: %w", name, i, err)
			}
			after += a.GetEscalateAfter().AsDuration()
			all = append(all, r)
		}
		out[name] = all
	}
	return out, nil
}

// maxSecretFile is far more than a few secrets take.
const maxSecretFile = 64 << 10

// readSecrets reads a file with a secret a line; of no file there are none.
func readSecrets(file string) (out []webhook.Secret, err error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w; name a file that can be read", err)
	case len(text) > maxSecretFile:
		return nil, fmt.Errorf("%s has %d bytes; write a secret on each line, and nothing else", file, len(text))
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		secret, err := webhook.ParseSecret(line)
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", file, n, err)
		}
		out = append(out, secret)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s is empty; write a secret on each line: whsec_ and base64", file)
	}
	return out, nil
}

// sameSecrets says whether the receivers of both, which are of one configuration, sign with the same.
func sameSecrets(a, b map[string][]receiver) bool {
	for limit, all := range a {
		for i, r := range all {
			if !slices.EqualFunc(r.secrets, b[limit][i].secrets, func(x, y webhook.Secret) bool { return bytes.Equal(x.Key, y.Key) }) {
				return false
			}
		}
	}
	return true
}

// receiversOf answers who is told of a trip. Of a stop it is who is told of the first limit, by name, that it covers and that has
// somebody.
func (g *Gateway) receiversOf(pl *plan, limit string) []receiver {
	if !limits.IsStop(limit) {
		return pl.receivers[limitOf(limit)]
	}
	for _, name := range g.gate.CoveredBy(limit) {
		if all := pl.receivers[name]; len(all) > 0 {
			return all
		}
	}
	return nil
}

package demo

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// modelName is the model of examples/digits/candor.yaml that the demo plays.
const modelName = "digits"

// cast is who plays which part, read from the configuration: whoever edits it and starts the demo again sees their own.
type cast struct {
	// consumer is who calls without credentials: the player.
	consumer string
	// primary is the backend that is killed in scene 2, ensemble the one that answers meanwhile.
	primary, ensemble string
	// member of the ensemble is killed in scene 3. Not the remedial stage, if there is another.
	member string
	// limit is driven into its trip in scene 4, by images of the labels that mean its action.
	limit, action string
	maxCount      int64
	surge         []string
	// promise is what the primary has to earn, by the verdicts of the reviewers of queue.
	promise *candorv1.Promise
	queue   string
}

// castOf finds the parts, and says which field to fill when one can't be cast.
func castOf(cfg *candorv1.Config) (cast, error) {
	m := cfg.GetModels()[modelName]
	if m == nil {
		return cast{}, fmt.Errorf("models: the demo plays the model %q; declare it", modelName)
	}
	if cfg.GetListen().GetTls() != nil {
		return cast{}, errors.New("listen.tls: the demo's own client speaks plain text, on loopback; take it out")
	}
	c := cast{
		primary: m.GetPrimary(), ensemble: m.GetPolicy().GetFallback().GetEnsemble(),
		promise: m.GetPolicy().GetAccept().GetPromise(), queue: m.GetPolicy().GetReview().GetQueue(),
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.GetConsumers())) {
		if cfg.GetConsumers()[name].GetIdentity().GetAnonymous() {
			c.consumer = name
		}
	}
	if c.consumer == "" {
		return cast{}, errors.New("consumers: the demo calls without credentials; declare one with identity: {anonymous: true}")
	}
	if c.promise == nil {
		return cast{}, fmt.Errorf("models.%s.policy.accept.promise: the demo shows how a promise is earned; write one, with alpha and delta", modelName)
	}
	if c.ensemble == "" {
		return cast{}, fmt.Errorf("models.%s.policy.fallback: the demo kills the primary and shows the fallback; name an ensemble", modelName)
	}
	if m.GetPolicy().GetReview() == nil {
		return cast{}, fmt.Errorf("models.%s.policy.review: the demo defers uncertain digits; name a queue", modelName)
	}
	e := cfg.GetEnsembles()[c.ensemble]
	c.member = e.GetMembers()[0].GetBackend()
	for _, member := range e.GetMembers() {
		if member.GetBackend() != e.GetRemedial().GetBackend() {
			c.member = member.GetBackend()
			break
		}
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.GetLimits())) {
		l := cfg.GetLimits()[name]
		if l.GetDryRun() || (l.GetModel() != "" && l.GetModel() != modelName) || l.GetConsumer() != "" {
			continue
		}
		for _, a := range m.GetPolicy().GetActions() {
			if a.GetName() == l.GetAction() && len(a.GetWhen().GetLabelIn()) > 0 {
				c.limit, c.action, c.maxCount, c.surge = name, a.GetName(), l.GetMaxCount(), a.GetWhen().GetLabelIn()
				return c, nil
			}
		}
	}
	return cast{}, fmt.Errorf("limits: the demo drives one into its trip; declare one whose action models.%s.policy.actions derives from labels", modelName)
}

// surgeText names what scene 4 is full of.
func (c cast) surgeText() string { return strings.Join(c.surge, ", ") }

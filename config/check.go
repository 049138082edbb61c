package config

import (
	"fmt"
	"maps"
	"slices"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// checker looks at what no single field can know. It runs on whatever could be read, so it takes nothing for granted: what is
// absent is somebody else's fault to report, and what was lost is nobody's.
type checker struct {
	*source
	surroundings
	cfg *candorv1.Config
	// used are the paths of entries that something refers to.
	used map[string]bool
	// declarers are the models that declare each action.
	declarers map[string][]string
	// actionsKnown says that those are all.
	actionsKnown bool
}

func check(src *source, cfg *candorv1.Config, around surroundings) {
	c := &checker{source: src, surroundings: around, cfg: cfg, used: map[string]bool{}, declarers: declarersOfActions(cfg.GetModels())}
	c.actionsKnown = c.allActionsKnown()
	c.listen()
	c.store()
	c.telemetry()
	c.principals()
	c.people()
	for name, backend := range cfg.GetBackends() {
		c.backend(top("backends").key(name), backend)
	}
	for name, ensemble := range cfg.GetEnsembles() {
		c.ensemble(top("ensembles").key(name), ensemble)
	}
	for name, queue := range cfg.GetQueues() {
		c.queue(top("queues").key(name), name, queue)
	}
	for name, model := range cfg.GetModels() {
		c.model(top("models").key(name), name, model)
	}
	for name, limit := range cfg.GetLimits() {
		c.limit(top("limits").key(name), limit)
	}
	for name, webhook := range cfg.GetWebhooks() {
		c.webhook(top("webhooks").key(name), webhook)
	}
	c.secrets()
	c.staff()
	c.unused()
}

// refer looks a name up in a section, and complains at the path when there is no such thing. It reports whether there is.
func refer[T any](c *checker, at path, what, name, section string, entries map[string]T) (T, bool) {
	entry, ok := entries[name]
	c.used[top(section).key(name).String()] = true
	if ok || name == "" || c.lost(at) || c.lost(top(section).key(name)) {
		return entry, ok
	}
	c.complain(at, fmt.Sprintf("there is no %s %q", what, abridged(name)), choose(name, names(entries), "declare it under "+section))
	return entry, false
}

// choose words the remedy for a name that is none of the candidates.
func choose(name string, candidates []string, otherwise string) string {
	if near := nearest(name, candidates); near != "" {
		return "write " + near
	}
	if len(candidates) == 0 {
		return otherwise
	}
	return "write " + oneOf(candidates) + ", or " + otherwise
}

func names[T any](entries map[string]T) []string { return slices.Sorted(maps.Keys(entries)) }

// repeated complains about elements that are there twice. what names them, as in "the label".
func (c *checker) repeated(what string, n int, element func(int) string, at func(int) path) {
	first := map[string]int{}
	for i := range n {
		name := element(i)
		if j, seen := first[name]; seen && name != "" && !c.lost(at(i)) {
			c.complain(at(i), fmt.Sprintf("%s %q is already given at [%d]", what, abridged(name), j), "take one of them out")
			continue
		}
		first[name] = i
	}
}

// unused warns about entries that nothing refers to: nobody looks after them, and they look as if they worked.
func (c *checker) unused() {
	if c.lostWithin(top("models")) || c.lostWithin(top("ensembles")) {
		return // What refers to them may be among what was lost.
	}
	for _, section := range []struct {
		name    string
		entries []string
		remedy  string
	}{
		{"backends", names(c.cfg.GetBackends()), "name it in a model's primary or in an ensemble, or take it out"},
		{"ensembles", names(c.cfg.GetEnsembles()), "name it in a policy's fallback, or take it out"},
		{"queues", names(c.cfg.GetQueues()), "name it in a policy's review, or take it out"},
	} {
		for _, name := range section.entries {
			if at := top(section.name).key(name); !c.used[at.String()] {
				c.warn(at, "nothing refers to it", section.remedy)
			}
		}
	}
}

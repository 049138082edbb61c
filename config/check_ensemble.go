package config

import (
	"fmt"
	"slices"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// maxMembers bounds an ensemble. Five well-chosen members have most of the gain.
const maxMembers = 64

// ensemble checks what is true of an ensemble whoever uses it.
func (c *checker) ensemble(at path, ensemble *candorv1.Ensemble) {
	members := ensemble.GetMembers()
	if len(members) > maxMembers {
		c.complain(at.field("members"), fmt.Sprintf("%d members are all asked at once for every row", len(members)), fmt.Sprintf("keep at most %d", maxMembers))
		return
	}
	if quorum := ensemble.GetQuorum(); len(members) > 0 && uint64(quorum) > uint64(len(members)) && !c.lostWithin(at) {
		c.complain(at.field("quorum"), fmt.Sprintf("%d members can't make a quorum of %d", len(members), quorum),
			fmt.Sprintf("write at most %d, or add members", len(members)))
	}
	c.repeated("the member", len(members),
		func(i int) string { return members[i].GetBackend() },
		func(i int) path { return at.field("members").item(i).field("backend") })
	first := c.members(at, ensemble)
	c.combiner(at, ensemble)
	c.remedials(at, ensemble, first)
}

// members checks each member and that they are alike. It answers the score that they share, nil when that isn't known.
func (c *checker) members(at path, ensemble *candorv1.Ensemble) *candorv1.Score {
	var first *candorv1.Score
	var firstName string
	for i, member := range ensemble.GetMembers() {
		here := at.field("members").item(i)
		backend, ok := refer(c, here.field("backend"), "backend", member.GetBackend(), "backends", c.cfg.GetBackends())
		if !ok {
			continue
		}
		if longest := backend.GetTimeout().AsDuration(); member.GetTimeout().AsDuration() > longest && c.written(here.field("timeout")) {
			c.warn(here.field("timeout"), fmt.Sprintf("an attempt ends after %v, the backend's timeout", longest), "write less, or raise the backend's")
		}
		if !c.alone(here.field("backend"), member.GetBackend()) {
			continue
		}
		score, known := c.knownScore(member.GetBackend())
		if !known || !c.combines(here.field("backend"), member.GetBackend(), score, ensemble.GetCombiner()) {
			continue
		}
		if first == nil {
			first, firstName = score, member.GetBackend()
			continue
		}
		c.alike(here.field("backend"), score, first, firstName, "combine models with the same labels in the same order")
	}
	c.rules(at, ensemble)
	return first
}

// alike complains about a score whose answers mean something else than another's.
func (c *checker) alike(at path, score, other *candorv1.Score, whose, remedy string) {
	unit, otherUnit := score.GetRegression().GetUnit(), other.GetRegression().GetUnit()
	switch one, two := isRegression(score), isRegression(other); {
	case one != two:
		c.complain(at, fmt.Sprintf("is a %s, and %s a %s", short(score.GetKind()), whose, short(other.GetKind())), "name models of one kind")
	case one && unit != otherUnit && unit != "" && otherUnit != "":
		c.complain(at, fmt.Sprintf("its unit %s is not that of %s, %s", abridged(unit), whose, abridged(otherUnit)), "name models with the same unit")
	case !slices.Equal(score.GetLabels(), other.GetLabels()):
		c.complain(at, fmt.Sprintf("its labels %s are not those of %s, %s", list(score.GetLabels()), whose, list(other.GetLabels())), remedy)
	}
}

// knownScore is the score of a backend's card, the first of several, nil for none; not known when that, or any of it, could not be
// read.
func (c *checker) knownScore(backend string) (*candorv1.Score, bool) {
	entry, ok := c.cfg.GetBackends()[backend]
	at := top("backends").key(backend).field("card")
	if !ok || entry.GetCard() == nil || c.lostWithin(at.field("scores")) {
		return nil, false
	}
	score := scoreOf(entry.GetCard())
	for _, any := range entry.GetCard().GetScores() {
		if any.GetKind() == candorv1.ScoreKind_SCORE_KIND_UNSPECIFIED {
			return nil, false
		}
	}
	return score, true
}

// label complains about a label that is none of labels.
func (c *checker) label(at path, label string, labels []string) {
	if slices.Contains(labels, label) || len(labels) == 0 || c.lost(at) {
		return
	}
	c.complain(at, fmt.Sprintf("%q is none of the labels", abridged(label)), choose(label, labels, "add it to the card's labels"))
}

// list abridges a list of labels.
func list(labels []string) string {
	const most = 8
	if len(labels) > most {
		return fmt.Sprintf("%.30q and %d more", labels[:most], len(labels)-most)
	}
	return fmt.Sprintf("%.30q", labels)
}

// stands checks that an ensemble can stand in for a model's primary. use is where the policy names it.
func (c *checker) stands(name string, model *candorv1.Model, ensemble *candorv1.Ensemble, ensembleName string, use path) {
	at := top("ensembles").key(ensembleName)
	score, known := c.knownScore(model.GetPrimary())
	if known && score == nil {
		c.complain(use, fmt.Sprintf("the card of backends.%s declares no score that an answer could be made of", model.GetPrimary()), "add scores to it, or take fallback out")
		return
	}
	if known && isRegression(score) && ensemble.GetCombiner() != candorv1.Combiner_COMBINER_MEDIAN && ensemble.GetCombiner() != 0 {
		c.complain(use, fmt.Sprintf("the primary is a regression, and combiner %s is about labels", short(ensemble.GetCombiner())),
			"name an ensemble of regressions with combiner: median, or take it out; what isn't sure enough can go to review")
		return
	}
	if len(ensemble.GetMembers()) > maxMembers {
		return // That is a fault already.
	}
	if len(ensemble.GetMembers()) == 1 && ensemble.GetMembers()[0].GetBackend() == model.GetPrimary() && !c.lostWithin(at.field("members")) {
		c.complain(at.field("members").item(0).field("backend"), fmt.Sprintf("is the primary of models.%s: asking it again gives the same answer", name), "add other backends")
	}
	for i, member := range ensemble.GetMembers() {
		c.replaces(at.field("members").item(i).field("backend"), member.GetBackend(), name, model.GetPrimary(), ensemble.GetCombiner())
	}
	if card := c.cfg.GetBackends()[model.GetPrimary()].GetCard(); card != nil && !c.lostWithin(top("backends").key(model.GetPrimary()).field("card").field("inputs")) {
		c.ruleInputs(at, ensemble, name, card)
	}
	for i, remedial := range remedials(ensemble) {
		where := remedialPath(at, ensemble, i)
		if backend := remedial.GetBackend(); backend != "" && c.alone(where.field("backend"), backend) {
			if backend == model.GetPrimary() {
				c.warn(where.field("backend"), fmt.Sprintf("is the primary of models.%s, which has failed or was not sure when this is asked", name), "name an older version or a simpler model")
			}
			c.replaces(where.field("backend"), backend, name, model.GetPrimary(), 0)
		}
		if known {
			c.declared(where, remedial, score)
		}
	}
}

// replaces checks that a backend, named at a path, takes what a model's primary takes and answers in the same terms.
func (c *checker) replaces(at path, backend, model, primary string, combiner candorv1.Combiner) {
	other, one := c.cfg.GetBackends()[backend].GetCard(), c.cfg.GetBackends()[primary].GetCard()
	if other == nil || one == nil || backend == primary || several(other) {
		return
	}
	// What could not be read of either card can't be compared.
	known := func(field string) bool {
		return !c.lostWithin(top("backends").key(backend).field("card").field(field)) && !c.lostWithin(top("backends").key(primary).field("card").field(field))
	}
	whose := fmt.Sprintf("the primary of models.%s", model)
	if other.GetRows() != one.GetRows() && other.GetRows() != 0 && one.GetRows() != 0 {
		c.complain(at, fmt.Sprintf("has rows: %s, and %s has %s", short(other.GetRows()), whose, short(one.GetRows())), "name a backend that takes the same requests")
		return
	}
	if score, wanted := scoreOf(other), scoreOf(one); wanted != nil && known("scores") && c.combines(at, backend, score, combiner) {
		c.alike(at, score, wanted, whose, "name a backend with the same labels in the same order")
	}
	if known("inputs") {
		c.sameInputs(at, other, one, whose)
	}
}

// sameInputs checks that a backend, named at a path, can be sent what the one that it replaces was sent.
func (c *checker) sameInputs(at path, other, one *candorv1.ModelCard, whose string) {
	inputs := map[string]*candorv1.InputSpec{}
	for _, input := range other.GetInputs() {
		inputs[input.GetName()] = input
	}
	for _, input := range one.GetInputs() {
		same, ok := inputs[input.GetName()]
		delete(inputs, input.GetName())
		const remedy = "name a backend that takes the same inputs"
		switch {
		case !ok:
			c.complain(at, fmt.Sprintf("has no input %q, which %s takes", input.GetName(), whose), remedy)
		case same.GetDatatype() != input.GetDatatype() && isDatatype(same.GetDatatype()) && isDatatype(input.GetDatatype()):
			c.complain(at, fmt.Sprintf("takes %s as %s, and %s as %s", input.GetName(), same.GetDatatype(), whose, input.GetDatatype()), remedy)
		case same.GetShared() != input.GetShared():
			c.complain(at, fmt.Sprintf("%s is shared by all rows for only one of it and %s", input.GetName(), whose), remedy)
		case !fits(same.GetShape(), input.GetShape()):
			c.complain(at, fmt.Sprintf("takes %s as %v, and %s as %v", input.GetName(), same.GetShape(), whose, input.GetShape()), remedy)
		}
	}
	for _, name := range names(inputs) {
		c.complain(at, fmt.Sprintf("wants the input %q, which %s does not take", name, whose), "name a backend that takes the same inputs")
	}
}

// fits says that a tensor can have both shapes.
func fits(a, b []int64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] && a[i] >= 0 && b[i] >= 0 {
			return false
		}
	}
	return true
}

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
	var first *candorv1.Score
	var firstName string
	for i, member := range members {
		here := at.field("members").item(i)
		backend, ok := refer(c, here.field("backend"), "backend", member.GetBackend(), "backends", c.cfg.GetBackends())
		if !ok {
			continue
		}
		if longest := backend.GetTimeout().AsDuration(); member.GetTimeout().AsDuration() > longest && c.written(here.field("timeout")) {
			c.warn(here.field("timeout"), fmt.Sprintf("an attempt ends after %v, the backend's timeout", longest), "write less, or raise the backend's")
		}
		score, known := c.knownScore(member.GetBackend())
		if !known || !c.combines(here.field("backend"), member.GetBackend(), score) {
			continue
		}
		if first == nil {
			first, firstName = score, member.GetBackend()
		} else if !slices.Equal(score.GetLabels(), first.GetLabels()) {
			c.complain(here.field("backend"), fmt.Sprintf("its labels %s are not those of %s, %s", list(score.GetLabels()), firstName, list(first.GetLabels())),
				"combine models with the same labels in the same order")
		}
	}
	c.rules(at, ensemble)
	remedial := at.field("remedial")
	if name := ensemble.GetRemedial().GetBackend(); name != "" {
		refer(c, remedial.field("backend"), "backend", name, "backends", c.cfg.GetBackends())
	} else if _, chosen := ensemble.GetRemedial().GetStage().(*candorv1.Remedial_Backend); chosen {
		c.complain(remedial.field("backend"), "is empty", "name a backend")
	}
	if label, chosen := ensemble.GetRemedial().GetStage().(*candorv1.Remedial_ConstantLabel); chosen && first != nil {
		c.label(remedial.field("constant_label"), label.ConstantLabel, first.GetLabels())
	}
}

// combines complains about a member without class probabilities.
func (c *checker) combines(at path, backend string, score *candorv1.Score) bool {
	switch {
	case score == nil:
		c.complain(at, fmt.Sprintf("the card of backends.%s declares no score, so there is nothing to combine", backend), "add scores to it, or name another backend")
	case score.GetKind() == candorv1.ScoreKind_SCORE_KIND_REGRESSION:
		c.complain(at, "a regression has no class probabilities to combine", "name a classifier")
	default:
		return true
	}
	return false
}

// knownScore is the score of a backend's card, nil for none; not known when that, or any of it, could not be read.
func (c *checker) knownScore(backend string) (*candorv1.Score, bool) {
	entry, ok := c.cfg.GetBackends()[backend]
	at := top("backends").key(backend).field("card")
	if !ok || entry.GetCard() == nil || c.lostWithin(at.field("scores")) {
		return nil, false
	}
	score := scoreOf(entry.GetCard())
	if score != nil && score.GetKind() == candorv1.ScoreKind_SCORE_KIND_UNSPECIFIED {
		return nil, false
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

// stands checks that an ensemble can stand in for a model's primary.
func (c *checker) stands(name string, model *candorv1.Model, ensemble *candorv1.Ensemble, use path) {
	at := top("ensembles").key(model.GetPolicy().GetFallback().GetEnsemble())
	score, known := c.knownScore(model.GetPrimary())
	if known && score.GetKind() == candorv1.ScoreKind_SCORE_KIND_REGRESSION {
		c.complain(use, "an ensemble combines class probabilities, and the primary is a regression", "take fallback out; what isn't sure enough can go to review")
		return
	}
	if known && score == nil {
		c.complain(use, fmt.Sprintf("the card of backends.%s declares no score that an answer could be made of", model.GetPrimary()), "add scores to it, or take fallback out")
		return
	}
	if len(ensemble.GetMembers()) > maxMembers {
		return // That is a fault already.
	}
	if len(ensemble.GetMembers()) == 1 && ensemble.GetMembers()[0].GetBackend() == model.GetPrimary() && !c.lostWithin(at.field("members")) {
		c.complain(at.field("members").item(0).field("backend"), fmt.Sprintf("is the primary of models.%s: asking it again gives the same answer", name), "add other backends")
	}
	for i, member := range ensemble.GetMembers() {
		c.replaces(at.field("members").item(i).field("backend"), member.GetBackend(), name, model.GetPrimary())
	}
	if remedial := ensemble.GetRemedial().GetBackend(); remedial != "" {
		where := at.field("remedial").field("backend")
		if remedial == model.GetPrimary() {
			c.warn(where, fmt.Sprintf("is the primary of models.%s, which has failed or was not sure when this is asked", name), "name an older version or a simpler model")
		}
		c.replaces(where, remedial, name, model.GetPrimary())
	}
	if card := c.cfg.GetBackends()[model.GetPrimary()].GetCard(); card != nil && !c.lostWithin(top("backends").key(model.GetPrimary()).field("card").field("inputs")) {
		c.ruleInputs(at, ensemble, name, card)
	}
	if label, chosen := ensemble.GetRemedial().GetStage().(*candorv1.Remedial_ConstantLabel); chosen && known {
		c.label(at.field("remedial").field("constant_label"), label.ConstantLabel, score.GetLabels())
	}
}

// replaces checks that a backend, named at a path, takes what a model's primary takes and answers with the same labels.
func (c *checker) replaces(at path, backend, model, primary string) {
	other, one := c.cfg.GetBackends()[backend].GetCard(), c.cfg.GetBackends()[primary].GetCard()
	if other == nil || one == nil || backend == primary {
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
	if score, wanted := scoreOf(other), scoreOf(one); wanted != nil && known("scores") && c.combines(at, backend, score) {
		if !slices.Equal(score.GetLabels(), wanted.GetLabels()) {
			c.complain(at, fmt.Sprintf("its labels %s are not those of %s, %s", list(score.GetLabels()), whose, list(wanted.GetLabels())),
				"name a backend with the same labels in the same order")
		}
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

package config

import (
	"fmt"
	"math"
	"slices"
	"strings"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
)

// limitKind checks what a limit counts, and what splits it. models are those whose answers it bounds.
func (c *checker) limitKind(at path, limit *candorv1.LimitConfig, models []string) {
	c.oneKind(at, limit)
	if sum := limit.GetSum(); sum != nil {
		c.sum(at.field("sum"), sum, models)
	}
	if ratio := limit.GetRatio(); ratio != nil && !c.lostWithin(at.field("ratio")) {
		c.ratio(at.field("ratio"), limit, ratio)
	}
	if key := limit.GetKey(); key != nil {
		here := at.field("key")
		c.parameter(here.field("parameter"), key.GetParameter())
		c.column(here.field("input"), key.GetInput(), models, asKey)
	}
}

// oneKind checks that the limit counts one thing. The three aren't a oneof of the message, because max_count was there before the others,
// and a field can't move into one without breaking what generated code calls it.
func (c *checker) oneKind(at path, limit *candorv1.LimitConfig) {
	var kinds []string
	for _, kind := range []struct {
		name  string
		named bool
	}{{"max_count", limit.MaxCount != nil}, {"ratio", limit.GetRatio() != nil}, {"sum", limit.GetSum() != nil}} {
		if kind.named || c.lostWithin(at.field(kind.name)) {
			kinds = append(kinds, kind.name)
		}
	}
	switch {
	case len(kinds) == 0:
		c.complain(at, "nothing is chosen", "add max_count, ratio or sum")
	case len(kinds) > 1:
		c.complain(at.field(kinds[1]), fmt.Sprintf("%s and %s exclude each other", kinds[0], kinds[1]), "keep one of them")
	}
}

func (c *checker) sum(at path, sum *candorv1.LimitSum, models []string) {
	if sum.GetUnit() != "" && strings.TrimSpace(sum.GetUnit()) == "" {
		c.complain(at.field("unit"), "is blank", "write what the amounts are in, such as USD cents")
	}
	amount, here := sum.GetAmount(), at.field("amount")
	c.parameter(here.field("parameter"), amount.GetParameter())
	c.column(here.field("input"), amount.GetInput(), models, asAmount)
	if amount.GetParameter() != "" && amount.Scale != nil {
		c.complain(here.field("scale"), "a parameter is in whole units already", "take it out, and choose the unit that the parameter is in")
	}
}

// parameter checks the name of a request's parameter.
func (c *checker) parameter(at path, name string) {
	if strings.HasPrefix(name, reserved) {
		c.complain(at, "names that begin with candor_ are the gateway's own", "name a parameter that clients send")
	}
}

// use is what an input's element is to be.
type use struct {
	// holds says whether a datatype has such elements; wanted names those that do.
	holds  func(wire.Datatype) bool
	wanted string
}

var (
	asAmount = use{func(d wire.Datatype) bool { return d != wire.BYTES && d != wire.BOOL }, "an input of numbers"}
	asKey    = use{func(d wire.Datatype) bool { return d != wire.BOOL && !d.IsFloat() }, "an input of integers or BYTES"}
)

// column checks that every model's card declares the input, and that its rows have the element.
func (c *checker) column(at path, in *candorv1.InputColumn, models []string, as use) {
	if in.GetName() == "" || c.lostWithin(at) {
		return
	}
	for _, name := range models {
		primary := c.cfg.GetModels()[name].GetPrimary()
		card := c.cfg.GetBackends()[primary].GetCard()
		if inputs := top("backends").key(primary).field("card").field("inputs"); card == nil || c.lostWithin(inputs) {
			continue
		}
		if !c.columnOf(at, in, card, "models."+name, as) {
			return
		}
	}
}

// columnOf checks the element against one card, and reports whether it is fine.
func (c *checker) columnOf(at path, in *candorv1.InputColumn, card *candorv1.ModelCard, whose string, as use) bool {
	i := slices.IndexFunc(card.GetInputs(), func(spec *candorv1.InputSpec) bool { return spec.GetName() == in.GetName() })
	if i < 0 {
		var inputs []string
		for _, spec := range card.GetInputs() {
			inputs = append(inputs, spec.GetName())
		}
		c.complain(at.field("name"), fmt.Sprintf("the card of %s's primary declares no input %q", whose, abridged(in.GetName())),
			choose(in.GetName(), inputs, "declare it in the card"))
		return false
	}
	spec := card.GetInputs()[i]
	if datatype, ok := wire.ParseDatatype(spec.GetDatatype()); ok && !as.holds(datatype) {
		c.complain(at.field("name"), fmt.Sprintf("the input %q of %s is %s", in.GetName(), whose, datatype), "name "+as.wanted)
		return false
	}
	if n, known := rowElements(spec.GetShape(), hasRows(card, spec.GetShared())); known && int64(in.GetColumn()) >= n {
		c.complain(at.field("column"), fmt.Sprintf("the input %q of %s has %d elements in a row", in.GetName(), whose, n), fmt.Sprintf("write 0 to %d", n-1))
		return false
	}
	if spec.GetRedact() {
		c.warn(at.field("name"), fmt.Sprintf("%s redacts the input %q, and what a limit takes from it is in the decision log", whose, in.GetName()),
			"take it from a parameter that tells less, or take redact out")
	}
	return true
}

func (c *checker) ratio(at path, limit *candorv1.LimitConfig, ratio *candorv1.LimitRatio) {
	if n := ratio.GetNumerator(); n != "" && limit.GetAction() != "" && n != limit.GetAction() {
		c.complain(at.field("numerator"), fmt.Sprintf("is %q, and the limit's action is %q: only that is withheld", abridged(n), abridged(limit.GetAction())), "write "+limit.GetAction())
	}
	if of, here := ratio.GetDenominator(), at.field("denominator"); of != nil {
		switch {
		case of.GetEveryAnswer() && len(of.GetActions()) > 0:
			c.complain(here.field("every_answer"), "actions and every_answer exclude each other", "keep one of them")
		case !of.GetEveryAnswer() && len(of.GetActions()) == 0:
			c.complain(here, "nothing says what the share is of", "add actions with the actions that are counted, or every_answer: true")
		}
		for i, action := range of.GetActions() {
			if c.actionsKnown && action != "" && len(c.declarers[action]) == 0 {
				c.complain(here.field("actions").item(i), fmt.Sprintf("no model declares the action %q", abridged(action)),
					choose(action, names(c.declarers), "declare it in a policy's actions"))
			}
		}
	}
	c.share(at, ratio)
}

// share warns of a share that lets nothing pass.
func (c *checker) share(at path, ratio *candorv1.LimitRatio) {
	const million = 1e6
	share, least := ratio.GetMaxShare(), ratio.GetMinCount()
	if !(share > 0 && share < 1) || least < 1 {
		return
	}
	ppm := int64(math.Round(share * million))
	switch {
	case ppm < 1:
		c.complain(at.field("max_share"), "is less than one in a million", "write 0.000001 or more, or stop the action")
	case ppm >= million:
		c.complain(at.field("max_share"), "is more than all but one in a million", "write 0.999999 or less")
	case ppm*least < million:
		first := (million + ppm - 1) / ppm
		c.warn(at.field("min_count"), fmt.Sprintf("%v of %d is less than one: none is released until there are %d in the window", share, least, first),
			fmt.Sprintf("write %d or more", first))
	}
}

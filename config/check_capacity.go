package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// hours checks that there is such a zone, and that shifts end after they begin.
func (c *checker) hours(at path, hours *candorv1.Hours) {
	if hours == nil {
		return
	}
	if zone := hours.GetTimeZone(); zone != "" && !c.lost(at.field("time_zone")) {
		if _, err := time.LoadLocation(zone); err != nil || zone == "Local" {
			c.complain(at.field("time_zone"), fmt.Sprintf("there is no time zone %q", abridged(zone)), "write one of the IANA database, such as Europe/Berlin or UTC")
		}
	}
	for i, shift := range hours.GetShifts() {
		here := at.field("shifts").item(i)
		if from, until := shift.GetFrom(), shift.GetUntil(); len(from) == len(until) && until <= from && !c.lostWithin(here) {
			c.complain(here.field("until"), fmt.Sprintf("%s is not after %s", until, from), "write two shifts for one that goes over midnight: until 24:00, and from 00:00")
		}
	}
}

// capacity checks that what the people of a queue are said to do can be done.
func (c *checker) capacity(at path, queue *candorv1.Queue) {
	capacity, here := queue.GetCapacity(), at.field("capacity")
	if capacity == nil {
		return
	}
	service, deadline := capacity.GetServiceTime().AsDuration(), queue.GetDeadline().AsDuration()
	if service > 0 && deadline > 0 && service > deadline {
		c.warn(here.field("service_time"), fmt.Sprintf("is %v, and its items are due after %v: every row whose policy has no other deadline takes the fallback", service, deadline),
			"write how long one item takes one person, or a longer deadline")
	}
	if n := len(queue.GetReviewers()); n > 0 && capacity.GetReviewers() > uint32(n) && !c.lostWithin(at.field("reviewers")) {
		c.warn(here.field("reviewers"), fmt.Sprintf("says %d, and the queue has %d reviewers: rows are admitted that nobody is there for", capacity.GetReviewers(), n),
			"write how many are at work at a time")
	}
}

// costs checks that they are about answers that there are, and that the amount can be found.
func (c *checker) costs(at path, costs *candorv1.Costs, card *candorv1.ModelCard, known bool) {
	if costs == nil || !known {
		return
	}
	var labels []string
	for _, score := range card.GetScores() {
		labels = append(labels, score.GetLabels()...)
	}
	entries := at.field("entries")
	if len(labels) == 0 {
		c.complain(at, "the model's answers are values: no label could cost anything", "take costs out; the expected loss is 1 - the confidence")
		return
	}
	for i, e := range costs.GetEntries() {
		here := entries.item(i)
		c.label(here.field("answer"), e.GetAnswer(), labels)
		c.label(here.field("truth"), e.GetTruth(), labels)
		if slices.Contains(labels, e.GetAnswer()) && slices.Contains(labels, e.GetTruth()) && !c.lostWithin(here) {
			if !slices.ContainsFunc(card.GetScores(), func(s *candorv1.Score) bool {
				return slices.Contains(s.GetLabels(), e.GetAnswer()) && slices.Contains(s.GetLabels(), e.GetTruth())
			}) {
				c.complain(here, fmt.Sprintf("%q and %q are labels of different fields", abridged(e.GetAnswer()), abridged(e.GetTruth())), "name two labels of one field")
			} else if e.GetAnswer() == e.GetTruth() && e.GetCost() > 0 {
				c.warn(here, fmt.Sprintf("a right answer, %q, costs something", abridged(e.GetAnswer())), "take it out, unless acting on it has a price")
			}
		}
	}
	c.repeated("the cost of", len(costs.GetEntries()),
		func(i int) string {
			e := costs.GetEntries()[i]
			return e.GetAnswer() + " where it is " + e.GetTruth()
		},
		func(i int) path { return entries.item(i) })
	if !c.lost(at.field("amount")) {
		c.amount(at.field("amount"), costs.GetAmount(), card)
	}
}

// amount checks an amount that means an input. Any other name may be a request parameter's.
func (c *checker) amount(at path, name string, card *candorv1.ModelCard) {
	for _, in := range card.GetInputs() {
		feature, ofColumn := strings.CutPrefix(name, in.GetName()+".")
		if name != in.GetName() && !ofColumn {
			continue
		}
		if in.GetDatatype() == "BYTES" {
			c.complain(at, fmt.Sprintf("the input %q is text", in.GetName()), "name an input of numbers, or a request parameter")
			return
		}
		if ofColumn {
			var features []string
			for _, f := range in.GetFeatures() {
				features = append(features, f.GetName())
			}
			if !slices.Contains(features, feature) {
				c.complain(at, fmt.Sprintf("the input %q has no feature %q", in.GetName(), abridged(feature)), choose(feature, features, "declare the features of the input in the card"))
			}
			return
		}
		if n, known := rowElements(in.GetShape(), hasRows(card, false)); known && n > 1 {
			c.complain(at, fmt.Sprintf("the input %q has %d numbers per row", in.GetName(), n), "name one of its features, as in "+in.GetName()+".NAME")
		}
		return
	}
}

// replaced warns about items that a new version can't be asked about.
func (c *checker) replaced(at path, policy *candorv1.Policy, card *candorv1.ModelCard) {
	how := policy.GetReview().GetOnReplaced()
	if how != candorv1.OnReplaced_ON_REPLACED_RELABEL && how != candorv1.OnReplaced_ON_REPLACED_RESCORE || c.lost(at.field("on_replaced")) {
		return
	}
	for _, in := range card.GetInputs() {
		if in.GetRedact() {
			c.warn(at.field("on_replaced"), fmt.Sprintf("the input %q is redacted, so that no item has it: the new version can't be asked, and items are kept", in.GetName()),
				"write keep or withdraw")
			return
		}
	}
}

package config

import (
	"fmt"
	"slices"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// queue checks that its people may do what it asks of them, and that what it asks can be done.
func (c *checker) queue(at path, name string, queue *candorv1.Queue) {
	c.repeated("the reviewer", len(queue.GetReviewers()),
		func(i int) string { return queue.GetReviewers()[i] },
		func(i int) path { return at.field("reviewers").item(i) })
	for i, name := range queue.GetReviewers() {
		here := at.field("reviewers").item(i)
		if _, declared := c.cfg.GetOperators()[name]; !declared && c.cfg.GetPeople() != nil {
			continue // Users of the store and people of the provider are nobody that a configuration could know.
		}
		operator, ok := refer(c, here, "operator", name, "operators", c.cfg.GetOperators())
		if ok && !includes(operator.GetRoles(), candorv1.Role_ROLE_REVIEWER) && !c.lostWithin(top("operators").key(name)) {
			c.complain(here, fmt.Sprintf("operators.%s has not the role reviewer", name), "add reviewer to its roles, or take it out here")
		}
	}
	for i, target := range queue.GetEscalateTo() {
		here := at.field("escalate_to").item(i)
		if target == name {
			c.complain(here, "is the queue itself", "name another queue, or take it out")
		} else {
			refer(c, here, "queue", target, "queues", c.cfg.GetQueues())
		}
	}
	if window, deadline := queue.GetUndoWindow(), queue.GetDeadline(); window.AsDuration() >= deadline.AsDuration() && deadline.AsDuration() > 0 {
		c.warn(at.field("undo_window"), fmt.Sprintf("is %v, and its items are due after %v: every caller waits for longer than that",
			window.AsDuration(), deadline.AsDuration()), "write a shorter one")
	}
	c.agreement(at, queue)
	c.hours(at.field("hours"), queue.GetHours())
	c.capacity(at, queue)
	if queue.GetGolden() != nil && queue.Blind != nil && !queue.GetBlind() {
		c.warn(at.field("golden"), "the queue isn't blind: what a golden item measures is who copies the model", "take blind out, or golden")
	}
}

// agreement checks that several reviewers can agree, and that there are so many.
func (c *checker) agreement(at path, queue *candorv1.Queue) {
	a, here := queue.GetAgreement(), at.field("agreement")
	if a == nil {
		return
	}
	wanted, agree := a.GetReviewers(), a.GetAgree()
	switch {
	case agree > wanted:
		c.complain(here.field("agree"), fmt.Sprintf("%d of %d reviewers can't agree", agree, wanted), fmt.Sprintf("write at most %d", wanted))
	case agree*2 <= wanted:
		c.warn(here.field("agree"), fmt.Sprintf("%d of %d is no majority: who comes first decides", agree, wanted), fmt.Sprintf("write %d or more", wanted/2+1))
	}
	if n := len(queue.GetReviewers()); n > 0 && uint32(n) < wanted && !c.lostWithin(at.field("reviewers")) {
		c.complain(here.field("reviewers"), fmt.Sprintf("the queue has %d: its items would wait until they expire", n), "name more reviewers, or write a lower number")
	}
	senior := slices.ContainsFunc(names(c.cfg.GetOperators()), func(name string) bool {
		roles := c.cfg.GetOperators()[name].GetRoles()
		return slices.Contains(roles, candorv1.Role_ROLE_SENIOR) || slices.Contains(roles, candorv1.Role_ROLE_ADMIN)
	})
	if !senior && c.cfg.GetPeople() == nil && !c.lostWithin(top("operators")) {
		c.warn(here, "nobody may decide where reviewers disagree: such items will expire", "give an operator the role senior")
	}
}

// evidence checks that the queue of a policy that promises something can earn it.
func (c *checker) evidence(at path, policy *candorv1.Policy) {
	review := policy.GetReview()
	queue := c.cfg.GetQueues()[review.GetQueue()]
	if queue == nil || policy.GetAccept().GetPromise() == nil {
		return
	}
	if queue.Blind != nil && !queue.GetBlind() {
		c.complain(at.field("review").field("queue"), fmt.Sprintf("queues.%s isn't blind: a verdict given in sight of the model's answer is no evidence", review.GetQueue()),
			"take blind out there, or name another queue")
	}
	if queue.AuditShare != nil && queue.GetAuditShare() == 0 {
		c.warn(top("queues").key(review.GetQueue()).field("audit_share"), "audits come only when nothing else waits: a certificate, which takes verdicts in order, may stand still",
			"write a share above 0")
	}
}

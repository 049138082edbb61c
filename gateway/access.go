package gateway

import (
	"slices"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// sees says whether the principal may look at a queue's items: operators and auditors at all, reviewers at those of the queues that
// they may work on.
func (p *Principal) sees(queue string) bool {
	return p.queues == nil || slices.Contains(p.queues, queue) ||
		p.has(candorv1.Role_ROLE_OPERATOR) || p.has(candorv1.Role_ROLE_AUDITOR)
}

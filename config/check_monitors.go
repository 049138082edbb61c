package config

import (
	"fmt"
	"math"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// psiDegrees are the degrees of freedom of the stability index over its ten bins. When nothing changes it comes to about this
// many times 1/n + 1/m, for samples of n and m rows.
const psiDegrees = 9

// monitors warns about a stability index that tells little, because as much of it comes by chance. score is the primary's; nil when
// its card has none.
func (c *checker) monitors(at path, policy *candorv1.Policy, score *candorv1.Score) {
	monitors := policy.GetMonitors()
	rows, psi := monitors.GetMinRows(), monitors.GetPsi()
	if score == nil || monitors.GetOff() || c.lostWithin(at) || rows == 0 || !(psi > 0) {
		return
	}
	chance := psiDegrees * 2 / float64(rows)
	if psi >= chance {
		return
	}
	field, remedy := "min_rows", fmt.Sprintf("write at least %.0f", math.Ceil(psiDegrees*2/psi))
	if !c.written(at.field(field)) {
		field, remedy = "psi", fmt.Sprintf("write at least %.2g, or more min_rows", chance)
	}
	c.warn(at.field(field), fmt.Sprintf("%d rows have a stability index of about %.2g by chance, above psi %v", rows, chance, psi), remedy)
}

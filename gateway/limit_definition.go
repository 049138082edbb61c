package gateway

import (
	"math"
	"slices"
	"strings"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
)

// LimitDefinition is a limit of a configuration that config.Load has checked and filled with defaults.
func LimitDefinition(name string, l *candorv1.LimitConfig) limits.Definition {
	d := limits.Definition{
		Name: name, Action: l.GetAction(), Model: l.GetModel(), Consumer: l.GetConsumer(), MaxCount: l.GetMaxCount(),
		Window: l.GetWindow().AsDuration(), OnTrip: l.GetOnTrip(), DryRun: l.GetDryRun(), After: aftermath(l),
		Key: sourceOfKey(l.GetKey()), MaxKeys: l.GetKey().GetMaxKeys(),
	}
	if sum := l.GetSum(); sum != nil {
		d.Amount, d.Unit, d.MaxCount = sourceOfAmount(sum.GetAmount()), sum.GetUnit(), sum.GetMax()
	}
	if r := l.GetRatio(); r != nil {
		d.Ratio = &limits.Ratio{SharePPM: int64(math.Round(r.GetMaxShare() * million)), MinCount: r.GetMinCount()}
		if !r.GetDenominator().GetEveryAnswer() {
			d.Ratio.Denominator = r.GetDenominator().GetActions()
		}
	}
	return d
}

// definitions are the limits of a configuration.
func definitions(cfg *candorv1.Config) []limits.Definition {
	var defs []limits.Definition
	for name, l := range cfg.GetLimits() {
		defs = append(defs, LimitDefinition(name, l))
	}
	return defs
}

// limitUnits are the units of amounts, by where limits take them from. Of several for one source it is the first limit's, by name.
type limitUnits map[limits.Source]string

func unitsOf(cfg *candorv1.Config) limitUnits {
	units := limitUnits{}
	defs := definitions(cfg)
	slices.SortFunc(defs, func(a, b limits.Definition) int { return strings.Compare(a.Name, b.Name) })
	for _, d := range defs {
		if _, known := units[d.Amount]; d.Amount != "" && !known {
			units[d.Amount] = d.Unit
		}
	}
	return units
}

// limitOf is the limit that a name is of: the name itself, without its key.
func limitOf(name string) string {
	limit, _, _ := limits.SplitName(name)
	return limit
}

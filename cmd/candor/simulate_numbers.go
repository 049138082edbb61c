package main

import (
	"github.com/spf13/pflag"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
)

// checkNumbers refuses numbers that simulate.Config takes for "not said": whoever writes 0 doesn't mean the default. NaN fits nothing.
func (f *simulateFlags) checkNumbers(flags *pflag.FlagSet) error {
	const many = 1e9
	s := &f.stream
	for _, n := range []struct {
		flag   string
		fits   bool
		value  any
		remedy string
	}{
		{"rows", s.Rows >= 1, s.Rows, "write 1 or more; without it all rows of --recorded are played"},
		{"per-day", s.PerDay > 0 && s.PerDay <= many, s.PerDay, "write a number above 0, up to 1e9"},
		{"reviewers", s.Team.Reviewers >= 1, s.Team.Reviewers, "write 1 or more, with --per-hour; without both they work without limit"},
		{"per-hour", s.Team.PerHour > 0 && s.Team.PerHour <= many, s.Team.PerHour, "write a number above 0, up to 1e9; without it reviewers work without limit"},
		{"capacity", s.Team.PerDay > 0 && s.Team.PerDay <= many, s.Team.PerDay, "write a number above 0, up to 1e9; without it it is what the reviewers can do"},
		{"wrong-slower", s.Team.Slower >= 1, s.Team.Slower, "write 1 or more"},
		{"drift-at", s.World.DriftRow >= 1, s.World.DriftRow, "write 1 or more; --flip is in force from the first row"},
		{"batch", s.World.Batch >= 1, s.World.Batch, "write 1 to 4096"},
	} {
		if flags.Changed(n.flag) && !n.fits {
			return cli.Usage(n.remedy, "--%s is %v", n.flag, n.value)
		}
	}
	if flags.Changed("drift") && !flags.Changed("drift-at") {
		return cli.Usage("add --drift-at ROW, from which it is in force", "--drift is given without --drift-at")
	}
	return nil
}

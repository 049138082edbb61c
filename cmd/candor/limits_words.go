package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"buf.build/go/protovalidate"
	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
)

// counted says that it bounds something; a stop and a limit that is no longer configured don't.
func counted(l *candorv1.Limit) bool {
	return l.GetMaxCount() > 0 || l.GetKind() == candorv1.LimitKind_LIMIT_KIND_RATIO
}

// amount is a number of what the limit counts, and figure the number alone.
func amount(l *candorv1.Limit, n int64) string { return limits.Words(n, l.GetUnit()) }

func figure(l *candorv1.Limit, n int64) string { return limits.Figure(n, l.GetUnit()) }

// boundWords say what the limit allows.
func boundWords(l *candorv1.Limit) string {
	out := fmt.Sprintf("at most %s in %s", amount(l, l.GetMaxCount()), cli.Span(l.GetWindow().AsDuration()))
	if l.GetKind() == candorv1.LimitKind_LIMIT_KIND_RATIO {
		out = fmt.Sprintf("at most %s of %s in %s, which count as %s at least", shareWords(l.GetMaxShare()), denominator(l), cli.Span(l.GetWindow().AsDuration()), limits.Words(l.GetMinCount(), ""))
	}
	if l.GetAmount() != "" {
		out += ", by " + l.GetAmount()
	}
	if l.GetKey() != "" && l.GetKeyValue() == "" {
		out += ", for each " + l.GetKey()
	}
	return out
}

// shareWords is a share in percent, as exact as one is configured: to parts per million.
func shareWords(s float64) string {
	const percent = 100
	return strconv.FormatFloat(math.Round(whole*s)*percent/whole, 'f', -1, 64) + " %"
}

// usedShareWords is the share that a ratio's numerators come to, as exact as people read it.
func usedShareWords(l *candorv1.Limit) string {
	const percent, digits = 100, 3
	return strconv.FormatFloat(percent*usedShare(l), 'g', digits, 64) + " %"
}

// denominator names what a share is of.
func denominator(l *candorv1.Limit) string {
	if len(l.GetDenominator()) == 0 {
		return "all answers"
	}
	return strings.Join(l.GetDenominator(), " + ")
}

// usedWords say what has been released of what may be. Of a limit with a key that is what its most used key has.
func usedWords(l *candorv1.Limit) string {
	if l.GetKind() == candorv1.LimitKind_LIMIT_KIND_RATIO {
		return fmt.Sprintf("%s among %s of %s, %s; %s more may leave now", limits.Words(l.GetUsed()-l.GetLeased(), ""),
			limits.Words(l.GetDenominatorCount(), ""), denominator(l), usedShareWords(l), limits.Words(max(0, l.GetBound()-l.GetUsed()+l.GetLeased()), ""))
	}
	out := limits.PartWords(l.GetUsed()-l.GetLeased(), l.GetBound(), l.GetUnit())
	if n := l.GetLeased(); n > 0 {
		out += fmt.Sprintf(", and %s leased", figure(l, n))
	}
	return out
}

// usedShare is the share that a ratio's numerators come to, of as many answers as it counts at least.
func usedShare(l *candorv1.Limit) float64 {
	return float64(l.GetUsed()-l.GetLeased()) / float64(max(l.GetDenominatorCount(), l.GetMinCount(), 1))
}

// probationWords say what holds instead of what.
func probationWords(l *candorv1.Limit) string {
	if l.GetKind() == candorv1.LimitKind_LIMIT_KIND_RATIO {
		return shareWords(l.GetMaxShare()) + " instead of the limit's share"
	}
	return figure(l, l.GetBound()) + " instead of " + amount(l, l.GetMaxCount())
}

// keyWords sum up the keys of a limit that has some; empty: it has none.
func keyWords(k *candorv1.LimitKeys) string {
	if k == nil {
		return ""
	}
	out := fmt.Sprintf("%d of %d, %d tripped", k.GetLive(), k.GetMaxKeys(), k.GetTripped())
	if n := k.GetOverflowed(); n > 0 {
		out += fmt.Sprintf("; %s shared one limit, since there was none left for their keys", cli.Count(n, "answer"))
	}
	return out
}

// shortLimit is a limit's name for people, longLimit the resource's, from what somebody typed or read.
func shortLimit(name string) string {
	return strings.TrimPrefix(limits.ResourceName(limits.NameOf(name)), limitPrefix)
}

func longLimit(name string) string { return limits.ResourceName(limits.NameOf(name)) }

// limitArg wants the name of a limit alone.
func limitArg(cmd *cobra.Command, args []string) error {
	if err := cli.Args("LIMIT")(cmd, args); err != nil {
		return err
	}
	if protovalidate.Validate(&candorv1.GetLimitRequest{Name: longLimit(args[0])}) != nil {
		return cli.Usage("candor limits list shows their names", "%q is not the name of a limit", args[0])
	}
	return nil
}

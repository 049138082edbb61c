package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// oneBackend finds the backend of a name. The error says which there are.
func oneBackend(all []*candorv1.BackendStatus, name string) (*candorv1.BackendStatus, error) {
	var names []string
	for _, b := range all {
		if b.GetName() == name {
			return b, nil
		}
		names = append(names, b.GetName())
	}
	return nil, fmt.Errorf("there is no backend %q; the configuration has %s", name, strings.Join(names, ", "))
}

// writeBackend shows all of one backend.
func writeBackend(w io.Writer, b *candorv1.BackendStatus, now time.Time) error {
	measured := "max_in_flight"
	if b.GetLimitMeasured() {
		measured = fmt.Sprintf("measured, max_in_flight is %d", b.GetMaxInFlight())
	}
	hedging := "off"
	if p := b.HedgePercentile; p != nil {
		hedging = fmt.Sprintf("after %s (percentile %v); %d made, %d won", lengthText(b.GetHedgeDelay(), "nothing yet, too few answers are known"), *p, b.GetHedges(), b.GetHedgesWon())
	}
	breaker := strings.ToLower(strings.ReplaceAll(cli.Enum(b.GetBreaker()), "_", " "))
	if at := b.GetBreakerTime(); at != nil {
		breaker += " since " + cli.Time(at.AsTime())
	}
	failed := fmt.Sprintf("%d, of them %d broke the card, %d were suddenly unsure", b.GetFailures(), b.GetContractFailures(), b.GetUnsureFailures())
	if at := b.GetLastFailureTime(); at != nil {
		failed += fmt.Sprintf("; the last at %s: %s", cli.Time(at.AsTime()), b.GetLastFailure())
	}
	table := [][]string{
		{"BACKEND", b.GetName()},
		{"BREAKER", fmt.Sprintf("%s; opened %s, closed %s; refused %s", breaker, cli.Count(b.GetBreakerOpened(), "time"), cli.Count(b.GetBreakerClosed(), "time"), cli.Count(b.GetRefused(), "call"))},
		{"CALLS", fmt.Sprintf("%d; an answer takes %s", b.GetCalls(), lengthText(b.GetUsualTime(), "not known how long"))},
		{"FAILED", failed},
		{"IN FLIGHT", fmt.Sprintf("%d of %d (%s)", b.GetInFlight(), b.GetLimit(), measured)},
		{"WAIT", fmt.Sprintf("%d now; %d got their place", b.GetQueued(), b.GetWaited())},
		{"SHED", fmt.Sprintf("low %d, normal %d, high %d; too much to do at the model server or here: %d", b.GetShedLow(), b.GetShedNormal(), b.GetShedHigh(), b.GetOverloads())},
		{"RETRIES", fmt.Sprintf("%d; %d refused for want of budget, which allows %d more now", b.GetRetries(), b.GetRetriesRefused(), b.GetRetryBudgetLeft())},
		{"HEDGES", hedging},
	}
	if b.GetPanicking() {
		table = append(table, []string{"PANIC", "so many replicas are ejected that ejection is ignored"})
	}
	if err := cli.Table(w, table); err != nil {
		return err
	}
	if err := writeConsumers(w, b.GetConsumers()); err != nil {
		return err
	}
	if err := writeReplicas(w, []*candorv1.BackendStatus{b}, now); err != nil {
		return err
	}
	if len(b.GetEvents()) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	events := [][]string{{"TIME", "EVENT", "REPLICA", "WHY"}}
	for _, e := range b.GetEvents() {
		events = append(events, []string{cli.Time(e.GetTime().AsTime()), strings.ToLower(strings.ReplaceAll(cli.Enum(e.GetKind()), "_", " ")), e.GetReplica(), e.GetWhy()})
	}
	return cli.Table(w, events)
}

// writeConsumers shows what each consumer has; nothing where there is none.
func writeConsumers(w io.Writer, all []*candorv1.ConsumerLoad) error {
	if len(all) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	table := [][]string{{"CONSUMER", "IN FLIGHT", "WAIT", "GOT THEIR PLACE", "SHED"}}
	for _, c := range all {
		table = append(table, []string{
			cmp.Or(c.GetConsumer(), "others"), fmt.Sprint(c.GetInFlight()), fmt.Sprint(c.GetQueued()), fmt.Sprint(c.GetWaited()), fmt.Sprint(c.GetShed()),
		})
	}
	return cli.Table(w, table)
}

// lengthText is a short time; nil: what there is to say instead.
func lengthText(d *durationpb.Duration, none string) string {
	if d == nil {
		return none
	}
	const exact = 10 * time.Microsecond
	return d.AsDuration().Round(exact).String()
}

package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// writeReplicas lists the replicas of the backends that have several; without one it writes nothing.
func writeReplicas(w io.Writer, backends []*candorv1.BackendStatus, now time.Time) error {
	table := [][]string{{"BACKEND", "REPLICA", "STATE", "IN FLIGHT", "CALLS", "FAILED", "ANSWERS IN", "EJECTED", "WHY"}}
	for _, b := range backends {
		for _, r := range b.GetReplicas() {
			table = append(table, replicaCells(b, r, now))
		}
	}
	if len(table) == 1 {
		return nil
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return cli.Table(w, table)
}

func replicaCells(b *candorv1.BackendStatus, r *candorv1.ReplicaStatus, now time.Time) []string {
	state := strings.ToLower(strings.ReplaceAll(cli.Enum(r.GetState()), "_", " "))
	if until := r.GetEjectedUntil(); until != nil {
		if left := until.AsTime().Sub(now).Round(time.Second); left > 0 {
			state += " for " + left.String()
		} else {
			state += " until it is ready"
		}
	}
	if b.GetPanicking() && r.GetState() == candorv1.ReplicaState_REPLICA_STATE_EJECTED {
		state += ", ignored"
	}
	return []string{
		b.GetName(), r.GetAddress(), state, fmt.Sprint(r.GetInFlight()), fmt.Sprint(r.GetCalls()), fmt.Sprint(r.GetFailures()),
		lengthText(r.GetUsualTime(), ""), fmt.Sprint(r.GetEjections()), r.GetWhy(),
	}
}

package gateway

import (
	"fmt"
	"testing"
	"time"

	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/webhook"
)

// Who is told what and when, over the life of a trip.
func TestErrands(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	chain := []receiver{{name: "a"}, {name: "b", after: 10 * time.Minute}, {name: "c", after: 30 * time.Minute}}
	told := func(receiver string, resolved bool) limits.AlertMessage {
		return limits.AlertMessage{Receiver: receiver, Resolved: resolved, Attempts: 1, Delivered: at(0)}
	}
	failed := func(receiver string, due int) limits.AlertMessage {
		return limits.AlertMessage{Receiver: receiver, Attempts: 1, Due: at(due), Error: "no"}
	}
	ack := func(m int) limits.Acknowledgement { return limits.Acknowledgement{By: "olga", At: at(m)} }
	for _, tt := range []struct {
		name     string
		now      int
		ack      limits.Acknowledgement
		reset    int // minutes; 0: latched
		messages []limits.AlertMessage
		want     string
		waiting  int
	}{
		{"just tripped", 0, limits.Acknowledgement{}, 0, nil, "[a tripped] next 10", 1},
		{"told", 1, limits.Acknowledgement{}, 0, []limits.AlertMessage{told("a", false)}, "[] next 10", 0},
		{"to be tried again", 1, limits.Acknowledgement{}, 0, []limits.AlertMessage{failed("a", 3)}, "[] next 3", 1},
		{"tried again, with the next in between", 12, limits.Acknowledgement{}, 0, []limits.AlertMessage{failed("a", 11)}, "[a tripped b tripped] next 30", 2},
		{"acknowledged in time", 40, ack(9), 0, []limits.AlertMessage{told("a", false)}, "[]", 0},
		{"acknowledged after the second was due", 40, ack(11), 0, []limits.AlertMessage{told("a", false)}, "[b tripped]", 1},
		{"nobody acknowledged", 40, limits.Acknowledgement{}, 0, []limits.AlertMessage{told("a", false), told("b", false)}, "[c tripped]", 1},
		{"reset before anybody was told", 2, limits.Acknowledgement{}, 1, nil, "[a tripped]", 1},
		{"reset", 2, limits.Acknowledgement{}, 1, []limits.AlertMessage{told("a", false)}, "[a reset]", 1},
		{"reset, and everybody knows", 60, limits.Acknowledgement{}, 1, []limits.AlertMessage{told("a", false), told("a", true)}, "[] done", 0},
		{"reset, and one of two knows", 60, limits.Acknowledgement{}, 20, []limits.AlertMessage{told("a", false), told("a", true), failed("b", 70)}, "[] next 70", 1},
	} {
		a := limits.Alert{Trip: limits.Trip{ID: "t", At: start}, Ack: tt.ack, Latched: tt.reset == 0, Messages: tt.messages}
		if tt.reset > 0 {
			a.Reset = limits.Reset{By: "olga", At: at(tt.reset)}
		}
		due, next, done := errands(a, chain, at(tt.now))
		var words []string
		for _, e := range due {
			what := " tripped"
			if e.resolved {
				what = " reset"
			}
			words = append(words, e.receiver.name+what)
		}
		got := fmt.Sprint(words)
		if !next.IsZero() {
			got += fmt.Sprintf(" next %d", int(next.Sub(start).Minutes()))
		}
		if done {
			got += " done"
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		if got := undeliveredOf(a, chain, at(tt.now)); len(got) != tt.waiting {
			t.Errorf("%s: %v wait, want %d", tt.name, got, tt.waiting)
		}
	}
	// An Alertmanager is told again while it holds, and not after.
	manager := []receiver{{name: "m", alertmanager: 5 * time.Minute, target: webhook.Target{}}}
	repeated := limits.Alert{Trip: limits.Trip{ID: "t", At: start}, Latched: true, Messages: []limits.AlertMessage{{Receiver: "m", Attempts: 1, Delivered: at(0), Due: at(5)}}}
	if due, next, _ := errands(repeated, manager, at(4)); len(due) != 0 || !next.Equal(at(5)) {
		t.Errorf("before its time: %v, next %v", due, next)
	}
	if due, _, _ := errands(repeated, manager, at(5)); len(due) != 1 || due[0].resolved {
		t.Errorf("at its time: %v", due)
	}
	if got := undeliveredOf(repeated, manager, at(6)); len(got) != 0 {
		t.Errorf("to be told again, and counted as waiting: %v", got)
	}
	repeated.Latched, repeated.Reset.At = false, at(5)
	if due, _, _ := errands(repeated, manager, at(6)); len(due) != 1 || !due[0].resolved {
		t.Errorf("after the reset: %v", due)
	}
	// It doesn't hear of the reset while it may be told that the trip holds: what it hears last counts.
	manager[0].target.Timeout = 5 * time.Second
	repeated.Messages[0].Due = at(6).Add(manager[0].target.Timeout + alertMargin)
	if due, next, done := errands(repeated, manager, at(6)); len(due) != 0 || !next.Equal(repeated.Messages[0].Due) || done {
		t.Errorf("beside an attempt: %v, next %v, done %v", due, next, done)
	}
	if due, _, _ := errands(repeated, manager, repeated.Messages[0].Due); len(due) != 1 || !due[0].resolved {
		t.Errorf("after an attempt: %v", due)
	}
	repeated.Messages[0].Due = at(11)
	if due, _, _ := errands(repeated, manager, at(6)); len(due) != 1 || !due[0].resolved {
		t.Errorf("long before the next attempt: %v", due)
	}
}

func TestAlertWait(t *testing.T) {
	for attempt, want := range map[int]time.Duration{0: 5 * time.Second, 1: 5 * time.Second, 2: 10 * time.Second, 6: 160 * time.Second, 7: 5 * time.Minute, 1000: 5 * time.Minute} {
		if got := alertWait(attempt, 0); got < want || got > want+want/8 {
			t.Errorf("after %d attempts %v, want %v and a little", attempt, got, want)
		}
	}
	if got := alertWait(1, 24*time.Hour); got != time.Hour {
		t.Errorf("a receiver that asks for a day gets %v", got)
	}
}

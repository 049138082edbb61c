package review_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/candor-gateway/candor/review"
)

var monday = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// Ten people who need a minute an item do fifty in five minutes, and the fifty-first is late.
func TestTenReviewers(t *testing.T) {
	d := review.NewDesk(review.Staff{Reviewers: 10}, time.Minute, &review.QueueState{})
	in := 0
	for range 80 {
		w := review.Waiting{ExpectedLoss: .4, Created: monday, Deadline: monday.Add(5 * time.Minute)}
		if d.InTime(monday, w) {
			d.Take(w)
			in++
		}
	}
	if in != 50 {
		t.Errorf("%d items are in time, want 50", in)
	}
	if got := d.Wait(monday); got != 5*time.Minute {
		t.Errorf("the next one waits for %v", got)
	}
	// What is worth more comes before all of them.
	dear := review.Waiting{ExpectedLoss: .5, Created: monday, Deadline: monday.Add(time.Minute)}
	if turn := d.Turn(monday, dear); !turn.Begin.Equal(monday) || !d.InTime(monday, dear) {
		t.Errorf("its turn is %v", turn)
	}
	for range 10 {
		d.Take(dear)
	}
	if got := d.AtRisk(monday); got != 0 {
		t.Errorf("%d are at risk before anything is late", got)
	}
	// Nobody works for two minutes: what would begin after five is late.
	if got := d.AtRisk(monday.Add(2 * time.Minute)); got != 30 {
		t.Errorf("%d are at risk, want 20 that begin at 6 and 7 minutes, and 10 whose one minute is over", got)
	}
}

func TestTurns(t *testing.T) {
	waiting := func(n int, loss float64, audit bool) []review.Waiting {
		out := make([]review.Waiting, n)
		for i := range out {
			out[i] = review.Waiting{ExpectedLoss: loss, Created: monday, Deadline: monday.Add(time.Hour), Audit: audit}
		}
		return out
	}
	mine := review.Waiting{ExpectedLoss: .3, Created: monday, Deadline: monday.Add(time.Hour)}
	audit := review.Waiting{ExpectedLoss: 1, Created: monday, Deadline: monday.Add(time.Hour), Audit: true}
	for name, c := range map[string]struct {
		staff review.Staff
		state review.QueueState
		item  review.Waiting
		want  time.Duration
	}{
		"nothing waits":              {review.Staff{Reviewers: 1}, review.QueueState{}, mine, 0},
		"in hands, half done":        {review.Staff{Reviewers: 1}, review.QueueState{Claimed: 4}, mine, 2 * time.Minute},
		"worth more":                 {review.Staff{Reviewers: 1}, review.QueueState{Waiting: waiting(3, .5, false), Pending: 3}, mine, 3 * time.Minute},
		"worth less":                 {review.Staff{Reviewers: 1}, review.QueueState{Waiting: waiting(3, .1, false), Pending: 3}, mine, 0},
		"audits have half":           {review.Staff{Reviewers: 1, AuditShare: .5}, review.QueueState{Waiting: append(waiting(3, .5, false), waiting(9, 1, true)...), Pending: 12}, mine, 6 * time.Minute},
		"audits have none":           {review.Staff{Reviewers: 1}, review.QueueState{Waiting: waiting(9, 1, true), Pending: 9}, mine, 0},
		"audits have all":            {review.Staff{Reviewers: 1, AuditShare: 1}, review.QueueState{Waiting: waiting(9, 1, true), Pending: 9}, mine, 9 * time.Minute},
		"an audit that comes last":   {review.Staff{Reviewers: 1}, review.QueueState{Waiting: waiting(9, .5, false), Pending: 9}, audit, 9 * time.Minute},
		"an audit that comes first":  {review.Staff{Reviewers: 1, AuditShare: 1}, review.QueueState{Waiting: waiting(9, .5, false), Pending: 9}, audit, 0},
		"more than is known, behind": {review.Staff{Reviewers: 1}, review.QueueState{Waiting: waiting(5, .5, false), Pending: 8}, mine, 8 * time.Minute},
		"over the night":             {review.Staff{Reviewers: 1, Hours: hours(t, "", "09:00-09:02")}, review.QueueState{Waiting: waiting(3, .5, false), Pending: 3}, mine, 24*time.Hour + time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			if got := review.NewDesk(c.staff, time.Minute, &c.state).Turn(monday, c.item).Begin.Sub(monday); got != c.want {
				t.Errorf("begins after %v, want %v", got, c.want)
			}
		})
	}
}

// However items come, a desk that took them one by one is one that read them all, and nobody is before their turn.
func TestDesksAreOfOneOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var all []review.Waiting
		for range rng.IntN(40) {
			all = append(all, review.Waiting{
				ExpectedLoss: float64(rng.IntN(4)), Created: monday.Add(time.Duration(rng.IntN(3)) * time.Second),
				Deadline: monday.Add(time.Duration(1+rng.IntN(60)) * time.Minute), Audit: rng.IntN(4) == 0,
			})
		}
		staff := review.Staff{Reviewers: 1 + rng.IntN(4), AuditShare: float64(rng.IntN(5)) / 4}
		read := review.NewDesk(staff, time.Minute, &review.QueueState{Waiting: all, Pending: int64(len(all))})
		took := review.NewDesk(staff, time.Minute, &review.QueueState{})
		for _, i := range rng.Perm(len(all)) {
			took.Take(all[i])
		}
		mine := review.Waiting{ExpectedLoss: float64(rng.IntN(5)) - .5, Created: monday, Deadline: monday.Add(time.Hour)}
		if a, b := read.Turn(monday, mine), took.Turn(monday, mine); a != b || read.AtRisk(monday) != took.AtRisk(monday) {
			t.Fatalf("read %v, taken %v", a, b)
		}
		less := mine
		less.ExpectedLoss--
		if took.Turn(monday, less).Begin.Before(took.Turn(monday, mine).Begin) {
			t.Fatal("what is worth less comes earlier")
		}
	}
}

func TestServiceTime(t *testing.T) {
	times := func(n int, d time.Duration) []time.Duration { return slices.Repeat([]time.Duration{d}, n) }
	for name, c := range map[string]struct {
		staff    review.Staff
		measured []time.Duration
		want     time.Duration
	}{
		"as stated":    {review.Staff{Service: 2 * time.Minute}, times(50, time.Second), 2 * time.Minute},
		"too few":      {review.Staff{}, times(19, time.Second), time.Minute},
		"median":       {review.Staff{}, append(times(11, 3*time.Second), times(10, time.Hour)...), 3 * time.Second},
		"without time": {review.Staff{}, times(30, 0), time.Millisecond},
	} {
		if got := c.staff.ServiceTime(c.measured); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	// Numbers that no queue has.
	d := review.NewDesk(review.Staff{Reviewers: 0}, math.MaxInt64, &review.QueueState{Pending: math.MaxInt32, Claimed: math.MaxInt32})
	if d.InTime(monday, review.Waiting{Deadline: monday.Add(time.Hour)}) {
		t.Error("in time behind everything there is")
	}
}

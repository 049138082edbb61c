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
		if d.InTime(monday, w, 0) {
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
	if turn := d.Turn(monday, dear); !turn.Begin.Equal(monday) || !d.InTime(monday, dear, 0) {
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
	if d.InTime(monday, review.Waiting{Deadline: monday.Add(time.Hour)}, 0) {
		t.Error("in time behind everything there is")
	}
}

// What comes later and is worth more overtakes: at half of the pace of the people a wait is twice as long, at all of it there is no end.
func TestOvertaking(t *testing.T) {
	var waiting []review.Waiting
	for range 60 {
		waiting = append(waiting, review.Waiting{ExpectedLoss: .5, Created: monday, Deadline: monday.Add(24 * time.Hour)})
	}
	d := review.NewDesk(review.Staff{Reviewers: 2}, time.Minute, &review.QueueState{Waiting: waiting, Pending: 60})
	perSecond := 2. / 60
	for name, c := range map[string]struct {
		overtaking float64
		after      time.Duration
		want       bool
	}{
		"nothing":             {0, 31 * time.Minute, true},
		"nothing, and late":   {0, 30 * time.Minute, false},
		"half":                {perSecond / 2, 62 * time.Minute, true},
		"half, and late":      {perSecond / 2, 57 * time.Minute, false},
		"as much as they can": {perSecond, 23 * time.Hour, false},
		"more than they can":  {5 * perSecond, 23 * time.Hour, false},
		"more than can be":    {math.Inf(1), 23 * time.Hour, false},
		"no number":           {math.NaN(), 31 * time.Minute, true},
		"nearly all they can": {perSecond * .9, 10 * time.Hour, true},
	} {
		if got := d.InTime(monday, review.Waiting{ExpectedLoss: .4, Created: monday, Deadline: monday.Add(c.after)}, c.overtaking); got != c.want {
			t.Errorf("%s: in time %v, want %v", name, got, c.want)
		}
	}
}

// Rows that a stream of a queue's people admits are answered in time: the people do them in the queue's order, and nearly none is late.
// go test ./review -run TestAdmittedRowsAreInTime -v prints the shares.
func TestAdmittedRowsAreInTime(t *testing.T) {
	const service, deadline, reviewers = time.Minute, 30 * time.Minute, 4
	for _, load := range []float64{.5, 1, 2, 5} {
		for _, foresight := range []bool{false, true} {
			rng := rand.New(rand.NewPCG(9, 10))
			var a review.Arrivals
			var waiting []review.Waiting
			free := make([]time.Time, reviewers)
			now, admitted, late, settled, rows := monday, 0, 0, 0, 0
			for now.Before(monday.Add(8 * time.Hour)) {
				now = now.Add(time.Duration(rng.ExpFloat64() * float64(service) / reviewers / load))
				// Until now the people have taken item after item.
				for {
					i := 0
					for k := range free {
						if free[k].Before(free[i]) {
							i = k
						}
					}
					if len(waiting) == 0 || free[i].After(now) {
						break
					}
					begin := free[i]
					if begin.Before(waiting[0].Created) {
						begin = waiting[0].Created
					}
					if begin.Add(service).After(waiting[0].Deadline) {
						if late++; waiting[0].Created.Sub(monday) > 2*deadline {
							settled++
						}
						waiting = waiting[1:]
						continue
					}
					free[i], waiting = begin.Add(service), waiting[1:]
				}
				w := review.Waiting{ExpectedLoss: rng.Float64(), Created: now, Deadline: now.Add(deadline)}
				rows++
				a.See(nil, now, w.ExpectedLoss)
				overtaking := 0.
				if foresight {
					overtaking = a.Overtaking(now, w.Deadline, w.ExpectedLoss)
				}
				d := review.NewDesk(review.Staff{Reviewers: reviewers}, service, &review.QueueState{Waiting: waiting, Pending: int64(len(waiting)), Claimed: reviewers})
				if !d.InTime(now, w, overtaking) {
					continue
				}
				admitted++
				at := slices.IndexFunc(waiting, func(have review.Waiting) bool { return have.ExpectedLoss < w.ExpectedLoss })
				if at < 0 {
					at = len(waiting)
				}
				waiting = slices.Insert(waiting, at, w)
			}
			t.Logf("load %.1f, foresight %v: of %d rows %d were admitted, %d of them late (%.1f %%), %d after the first hour", load, foresight, rows, admitted, late,
				100*float64(late)/float64(admitted), settled)
			if foresight && float64(settled) > .04*float64(admitted) {
				t.Errorf("load %.1f: %d of %d admitted rows are late after the first hour", load, settled, admitted)
			}
		}
	}
}

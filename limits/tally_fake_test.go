package limits

import (
	"slices"
	"time"
)

// collect keeps what a report tells a memStore that isn't shared.
func (m *memStore) collect(st *State, r LeaseRequest) {
	st.Tallies = slices.DeleteFunc(st.Tallies, func(t Tally) bool { return !t.From.After(r.Forget) })
	if r.Report == nil || m.reports[r.Report.By] >= r.Report.Seq {
		return
	}
	m.reports[r.Report.By] = r.Report.Seq
	for _, t := range r.Report.Tallies {
		if !t.From.Equal(t.From.Truncate(time.Microsecond)) {
			m.t.Errorf("a tally from %v: that isn't a whole microsecond", t.From)
		}
		i := slices.IndexFunc(st.Tallies, func(had Tally) bool { return had.From.Equal(t.From) })
		if i < 0 {
			st.Tallies = append(st.Tallies, t)
			continue
		}
		st.Tallies[i].Count += t.Count
	}
}

// memTallies are those of a limit in a shared memStore, in order.
type memTallies struct {
	tallies   []Tally
	reporters []memReporter
}

type memReporter struct {
	by  string
	seq int64
	at  time.Time
}

func (m *memTallies) Reported(by string, seq int64, at time.Time) (fresh bool, err error) {
	for i := range m.reporters {
		r := &m.reporters[i]
		if r.by != by {
			continue
		}
		if r.seq >= seq {
			return false, nil
		}
		r.seq, r.at = seq, at
		return true, nil
	}
	m.reporters = append(m.reporters, memReporter{by, seq, at})
	return true, nil
}

func (m *memTallies) Tally(from time.Time, count int64) error {
	i, ok := slices.BinarySearchFunc(m.tallies, from, func(t Tally, at time.Time) int { return t.From.Compare(at) })
	if !ok {
		m.tallies = slices.Insert(m.tallies, i, Tally{From: from})
	}
	m.tallies[i].Count += count
	return nil
}

func (m *memTallies) Tallied(t time.Time) (answers int64, err error) {
	for _, one := range m.tallies {
		if one.From.After(t) {
			answers += one.Count
		}
	}
	return answers, nil
}

func (m *memTallies) ForgetTallies(t, silent time.Time) error {
	m.tallies = slices.DeleteFunc(m.tallies, func(one Tally) bool { return !one.From.After(t) })
	m.reporters = slices.DeleteFunc(m.reporters, func(r memReporter) bool { return !r.at.After(silent) })
	return nil
}

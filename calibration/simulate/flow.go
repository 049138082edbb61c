package simulate

// flow knows how many rows are deferred lately, to say with what probability one more finds room: capacity sets probabilities,
// never yes or no, and what it knows is older than the row that it is asked about.
type flow struct {
	// room is the desk's capacity less the audits' share, and all the rows that could ask for it, in rows a day; all 0: there is
	// no limit.
	room, all float64
	// share of rows that were deferred since the threshold changed, and how many are in it.
	share  float64
	n      float64
	acting bool
}

// memory of a flow, in rows.
const memory = 1000

func newFlow(cfg *Config) flow {
	capacity := cfg.Team.capacity()
	if capacity == 0 {
		return flow{}
	}
	audits := cfg.Policy.Audit * cfg.PerDay
	return flow{room: max(capacity-audits, 0), all: (1 - cfg.Policy.Audit) * cfg.PerDay, share: 1}
}

// admission is the probability that a deferred row is admitted beside the audits.
func (f *flow) admission(acting bool) float64 {
	if f.all == 0 {
		return 1
	}
	if acting != f.acting {
		// Everything, until something else is seen.
		f.acting, f.share, f.n = acting, 1, 0
	}
	if !acting {
		return min(1, f.room/f.all)
	}
	return min(1, f.room/(f.all*max(f.share, 1e-6)))
}

// saw notes rows of a call.
func (f *flow) saw(deferred bool, rows int) {
	if f.all == 0 {
		return
	}
	is := 0.0
	if deferred {
		is = 1
	}
	f.n = min(f.n+float64(rows), memory)
	f.share += (is - f.share) * float64(rows) / max(f.n, float64(rows))
}

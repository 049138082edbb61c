package payload

// A mixed model is unsure about 6 of 100 rows, spread out, by the order in which they come; a second one about 1 of the 6 that
// it is asked about. So 5 % of the rows fall back and 1 % are deferred, and every run decides the same number of each.
const (
	// Period after which the mixed model's rows repeat.
	Period = 100
	// SecondPeriod is that of a second model.
	SecondPeriod = 6
)

// unsureRows of each Period: 6, about as far from one another as they can be.
var unsureRows = [Period]bool{8: true, 25: true, 42: true, 58: true, 75: true, 92: true}

// MixedUnsure says whether a mixed model is unsure about the nth row that it ever sees.
func MixedUnsure(n uint64) bool { return unsureRows[n%Period] }

// SecondUnsure says the same of a second model.
func SecondUnsure(n uint64) bool { return n%SecondPeriod == SecondPeriod-1 }

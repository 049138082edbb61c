package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// clock is the later of the wall clock and the stored high-water mark at its start, and the monotonic clock since.
type clock struct {
	base  time.Time
	start time.Time
}

// readClock starts the store's clock.
func readClock(ctx context.Context, db *sql.DB, wall func() time.Time) (clock, error) {
	var highWater int64
	err := db.QueryRowContext(ctx, `SELECT high_water_us FROM clock`).Scan(&highWater)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return clock{}, fmt.Errorf("read the clock: %w", err)
	}
	// start keeps its monotonic reading, base must not have one.
	return clock{base: time.UnixMicro(max(wall().UnixMicro(), highWater)), start: time.Now()}, nil
}

func (c clock) now() time.Time {
	return c.base.Add(time.Since(c.start)).Truncate(time.Microsecond).UTC()
}

// micros is how times are stored; the zero time is 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// instant is the inverse of micros.
func instant(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

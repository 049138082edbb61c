package postgres_test

import (
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/store/postgres"
	"github.com/candor-gateway/candor/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Driver {
		url, opts := initialised(t), postgres.Options{Writer: "w"}
		return driver{open(t, url, opts), url, opts}
	})
}

// driver is a store that can be opened again.
type driver struct {
	*postgres.Store
	url  string
	opts postgres.Options
}

func (d driver) Records(t testing.TB) []*candorv1.Record {
	t.Helper()
	scan, err := d.Scan(t.Context(), time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	var out []*candorv1.Record
	for rec, err := range scan.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rec)
	}
	return out
}

// Another is a second gateway's store in the same database.
func (d driver) Another(t testing.TB) storetest.Driver {
	t.Helper()
	opts := d.opts
	opts.Writer = "another"
	return driver{open(t, d.url, opts), d.url, opts}
}

func (d driver) Reopen(t testing.TB) storetest.Driver {
	t.Helper()
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return driver{open(t, d.url, d.opts), d.url, d.opts}
}

package postgres_test

import (
	"testing"

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

func (d driver) Reopen(t testing.TB) storetest.Driver {
	t.Helper()
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return driver{open(t, d.url, d.opts), d.url, d.opts}
}

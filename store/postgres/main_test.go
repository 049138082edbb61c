package postgres_test

import (
	"testing"

	"github.com/candor-gateway/candor/internal/leaktest"
	"github.com/candor-gateway/candor/store/postgres/pgtest"
)

func TestMain(m *testing.M) { leaktest.Main(tests{m}) }

// tests stop the PostgreSQL that they have used.
type tests struct{ *testing.M }

func (t tests) Run() int { return pgtest.Main(t.M) }

package postgres_test

import (
	"os"
	"testing"

	"github.com/candor-gateway/candor/store/postgres/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

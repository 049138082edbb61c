package sqlite_test

import (
	"testing"

	"github.com/candor-gateway/candor/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

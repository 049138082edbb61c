package audit

import (
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func TestPlaceAndFind(t *testing.T) {
	old := &candorv1.PredictionRecord{Rows: []*candorv1.RowRecord{{}, {}, {}}}
	fields := &candorv1.PredictionRecord{Rows: []*candorv1.RowRecord{
		{Field: "vendor"}, {Field: "total"}, {Field: "vendor", Row: 1}, {Field: "total", Row: 1},
	}}
	for _, tt := range []struct {
		name  string
		p     *candorv1.PredictionRecord
		row   uint32
		field string
		want  int
	}{
		{"old", old, 2, "", 2},
		{"old, no such row", old, 3, "", -1},
		{"old, the largest row there is", old, 1<<32 - 1, "", -1},
		{"old, no field", old, 0, "vendor", -1},
		{"first", fields, 0, "vendor", 0},
		{"last", fields, 1, "total", 3},
		{"no such row", fields, 2, "total", -1},
		{"the largest row there is", fields, 1<<32 - 1, "total", -1},
		{"no such field", fields, 0, "iban", -1},
		{"which field isn't said", fields, 0, "", -1},
	} {
		got := Find(tt.p, tt.row, tt.field)
		if got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
		if got < 0 {
			continue
		}
		if row, field := Place(tt.p, got); row != tt.row || field != tt.field {
			t.Errorf("%s: the place of %d is %d %q", tt.name, got, row, field)
		}
	}
}

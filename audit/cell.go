package audit

import candorv1 "github.com/candor-gateway/candor/gen/candor/v1"

// Place answers of which row and field the element i of a prediction's rows is. A record of a model with one field, and every one that
// was written before there were fields, has an element for each row: field is empty then, and row is i.
func Place(p *candorv1.PredictionRecord, i int) (row uint32, field string) {
	r := p.GetRows()[i]
	if r.GetField() == "" {
		return uint32(i), ""
	}
	return r.GetRow(), r.GetField()
}

// Find answers the index in a prediction's rows of a row's field, the inverse of Place; -1: the prediction has none such.
func Find(p *candorv1.PredictionRecord, row uint32, field string) int {
	rows := p.GetRows()
	if field == "" {
		if int64(row) < int64(len(rows)) && rows[row].GetField() == "" {
			return int(row)
		}
		return -1
	}
	// All fields of the first row stand before those of the next, and every row has the same.
	fields := 0
	for fields < len(rows) && rows[fields].GetRow() == 0 && rows[fields].GetField() != "" {
		fields++
	}
	first := int64(row) * int64(fields)
	for i := first; i < first+int64(fields) && i < int64(len(rows)); i++ {
		if rows[i].GetRow() == row && rows[i].GetField() == field {
			return int(i)
		}
	}
	return -1
}

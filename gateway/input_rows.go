package gateway

import "github.com/candor-gateway/candor/internal/wire"

// rowsOf reads an input of the request by its rows, and says which of them a row of the request has: an input without a dimension for rows has
// one, which is everybody's. It is for the call's own goroutine.
func (c *call) rowsOf(t *wire.Tensor, requestRow int) (r *wire.RowReader, row int, err error) {
	rows := c.requestRows
	if row = requestRow; c.model.whole() || c.model.card.Shared(t.Name) {
		rows, row = 0, 0
	}
	if r = c.readers[t.Name]; r != nil {
		return r, row, nil
	}
	if r, err = t.Rows(rows); err != nil {
		return nil, 0, err
	}
	if c.readers == nil {
		c.readers = map[string]*wire.RowReader{}
	}
	c.readers[t.Name] = r
	return r, row, nil
}

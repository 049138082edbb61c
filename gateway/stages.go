package gateway

import (
	"slices"

	"github.com/candor-gateway/candor/backend"
	"github.com/candor-gateway/candor/fallback"
	"github.com/candor-gateway/candor/internal/wire"
)

// forward is how the request is put to a backend: its own model and pinned version, our metadata tensors taken out, the score
// tensors added where the client named outputs without them.
func (c *call) forward(b *backend.Backend) wire.Forward {
	f := wire.Forward{Model: b.Model(), Version: b.Version(), StripOutputs: isOurs, StripParams: isOurs}
	named := false
	for _, o := range c.req.Outputs {
		named = named || !isOurs(o.Name)
	}
	if !named {
		return f
	}
	for _, score := range b.Card().ScoreOutputs() {
		if !slices.ContainsFunc(c.req.Outputs, func(o wire.RequestedOutput) bool { return o.Name == score }) {
			f.AddOutputs = append(f.AddOutputs, score)
		}
	}
	return f
}

// forMember is how rows are put to a member: it is asked for all of its outputs, because what the client named are the
// primary's.
func forMember(b *backend.Backend) wire.Forward {
	return wire.Forward{
		Model: b.Model(), Version: b.Version(), StripOutputs: func(string) bool { return true }, StripParams: isOurs,
	}
}

// rowsFor is the request for some rows of the call, as it is put to a member.
func (c *call) rowsFor(b *backend.Backend, rows []int) (*wire.Frame, error) {
	req, err := c.req.For(b.Speech().Wire)
	if err != nil {
		return nil, err
	}
	if c.model.whole() {
		return req.Forward(forMember(b)), nil
	}
	return req.SelectRows(rows, c.requestRows, c.model.card.Shared, forMember(b))
}

// note keeps every stage's Evidence with the rows that it is about: one verdict scores all of them.
func (c *call) note(index int, s *fallback.Stage) {
	for j := range s.Evidence {
		if ev := &s.Evidence[j]; len(ev.Faults) == 0 {
			r := &c.rows[s.Rows[j]]
			if r.stageEvidence == nil {
				row := s.Rows[j]
				r.stageEvidence = c.perRow.notes[row : row : row+1]
			}
			r.stageEvidence = append(r.stageEvidence, stageEvidence{index, ev})
		}
	}
}

// firstRow is all rows of most calls; nobody changes it.
var firstRow = []int{0}

func allRows(n int) []int {
	if n == 1 {
		return firstRow
	}
	rows := make([]int, n)
	for i := range rows {
		rows[i] = i
	}
	return rows
}

package web

import (
	"net/http"
	"strconv"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// element finds what an address such as /items/ID/image/TENSOR/N names: a tensor of the item's payload, and the number of its
// element, which may be beyond its end.
func (s *Server) element(r *http.Request, v *visit) (*candorv1.PayloadTensor, int, error) {
	ctx, cancel := s.call(r, v)
	defer cancel()
	it, err := s.getItem(ctx, r)
	if err != nil {
		return nil, 0, err
	}
	const digits = 31 // bits: it fits into an int everywhere
	tensor, err := strconv.ParseUint(r.PathValue("tensor"), 10, digits)
	if err != nil || int(tensor) >= len(it.GetPayload().GetTensors()) {
		return nil, 0, errNoPage
	}
	n, err := strconv.ParseUint(r.PathValue("n"), 10, digits)
	if err != nil {
		return nil, 0, errNoPage
	}
	return it.GetPayload().GetTensors()[tensor], int(n), nil
}

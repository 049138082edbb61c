package gateway

type segments struct{}

func (segments) of(*call) string { return "" }

// Package gateway is the front door: it serves the Open Inference Protocol and Candor's own services, and holds the one
// request path.
//
// The path is read in one place, [Gateway.Infer] and run below it in infer.go, top to bottom: admit, ask the primary, decide, fall
// back, check the action limits, record, answer. Streams ([Gateway.InferStream] in stream.go) admit each request and take each
// response through the same stages; only the primary's answer comes another way. It takes bytes and a caller and gives bytes and metadata; the gRPC transport (serve.go,
// oip.go) is an adapter around it, and another transport could stand beside it.
//
// Nothing else in Candor makes gRPC statuses for callers: an [Error] becomes one in errors.go.
package gateway

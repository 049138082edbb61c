// Package h2 is the little of HTTP/2 and gRPC framing that the load generator and the model server stub of the benchmark need:
// reading frames out of a large buffer, gathering many frames into one write. It is cheap because it leaves out what a
// benchmark on loopback doesn't meet (TLS, priorities, push); what it does not know it refuses or skips as RFC 9113 says.
package h2

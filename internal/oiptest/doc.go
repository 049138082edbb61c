// Package oiptest is a scripted model server for tests: it speaks the Open Inference Protocol over a real loopback
// socket, answers what a test tells it to, misbehaves on demand, and remembers what it was sent, to the byte.
//
// It exists because the interesting failures of a gateway are those of its model servers: one that dies in the middle
// of a call and returns on the same address, one that accepts a call and never answers, one that answers NaN, another
// version or bytes that are no message. A test that mocks the client side of gRPC sees none of them.
//
//	s := oiptest.Start(t, oiptest.Model{
//		Name:  "digits",
//		Infer: oiptest.Probabilities([][]float32{{0.99, 0.01}, {0.6, 0.4}}), // unsure of the second row
//	})
//	s.Script(oiptest.Fail(codes.Internal, "CUDA error")) // the first call only
//	// … point the code under test at s.Addr() and call it …
//	s.RowsTo("digits") // how many rows reached the model
//	s.Kill()           // callers see UNAVAILABLE
//	s.Restart()        // the same address
//
// # Which function do I use
//
//   - A server: [Start], or [StartWith] for TLS and sizes. It stops by itself when the test ends.
//   - A server of other software: [Options].Dialect, and [ReplyIn] where it always answers in one form.
//   - What it answers: [Model].Infer, a [Responder]. Ready-made ones: [Const] (the same score row for every row),
//     [Probabilities] (a table), [PerRow] (a function of each input row), [Fail], [Bytes] (exactly these bytes).
//     Own ones are built with [Reply] and the tensor builders [FP32], [FP64], [INT32], [INT64], [UINT8], [BOOL],
//     [BYTES] and [Raw].
//   - The next few answers only: [Server.Script].
//   - Streams: [Model].Stream for decoupled models, [Server.ScriptStream] for everything else, [Options].Bare for MLServer's frames.
//   - Trouble: [Server.Kill] and [Server.Restart], [Server.Hang] and [Server.Resume], [Server.FailWith],
//     [Server.SetReady].
//   - What it saw: [Server.Calls], [Server.Rows] and their per-model forms, [Server.Last], [Server.History],
//     [Server.AwaitCalls].
//   - The client's side: [Request] builds a typed or raw request; [Floats] and [Texts] read an answer of either form.
//
// # Order of things in one ModelInfer
//
// The call is recorded; then it waits while the server hangs; then [Server.FailWith] fails it; then model and version
// are looked up (NOT_FOUND) and the requested outputs checked (INVALID_ARGUMENT); then the next scripted step, if any,
// answers; else the model's Infer does. A panic in a Responder is the test's bug and is not recovered.
package oiptest

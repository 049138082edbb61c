// Package backend talks to model servers: one [Backend] is one model, at one pinned version, on one model
// server or on several replicas.
//
//   - [Dial] makes a Backend; it connects when the first call needs it.
//   - [Backend.Infer] makes one prediction inside a breaker. Its error is always a [*Failure], which says what went wrong,
//     whether it counts against the model server ([Class]), and who said so.
//   - [CompileCard] turns a model's card into a [Card]: [Card.Rows] checks what goes to the model, [Card.Evidence] checks
//     what it answered and reads the scores, and only them.
//   - A backend with several addresses spreads its calls over them, and takes out those that break (docs/replicas.md).
//   - [Backend.Ready], [Backend.Metadata] and [Backend.Status] say how the model server is.
//
// What opens a breaker, and what must not, is written in one place: classify.go. Clients can't open a breaker: bad input,
// short deadlines and cancelled calls don't count.
//
// This is the only package that dials.
package backend

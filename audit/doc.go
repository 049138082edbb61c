// Package audit is the decision log: what a record looks like in bytes, how a writer chains its records by hashes, and how a
// reader finds out afterwards that one was changed. It does no input or output; store/* keeps the entries.
//
//   - [Encode] and [Decode] turn a record into the bytes that the chain covers, and back.
//   - [Chain] makes the next [Entry] of a writer.
//   - [Verifier] is fed a writer's entries in order and names the first that isn't what was written.
//
// What a hash chain shows, and what it doesn't: a record that was flipped, deleted, swapped or cut off is named, as long as
// whoever did it didn't compute the rest of the chain again. Against that, keep a head (candor audit verify prints it)
// somewhere that the writer of the store can't reach.
package audit

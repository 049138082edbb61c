// Package replay decides recorded predictions again under another configuration: which rows would change, by how much, and what that
// would do to errors, reviews and actions.
//
// It is pure: records, verdicts and outcomes go in, a [Report] comes out. It asks no model and writes nothing. What a record does not
// hold it does not guess: such rows are counted by [Cause].
//
// A record keeps confidences in parts per million. A row whose confidence is nearer to a new threshold than half of that is decided
// only where the record tells the comparison itself, because the threshold was the same then.
//
// Limits are left aside on both sides: whether one trips depends on all traffic. So are the deadlines of calls and what a fallback
// that was never asked would have said.
package replay

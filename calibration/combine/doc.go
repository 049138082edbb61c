// Package combine is the arithmetic of combining class probabilities of several models, and of fitting it on held-out rows: the
// same functions serve and fit, so that what was measured is what is served.
//
//   - [Mean], [LogPool] and [Stack] combine the members' answers to one row.
//   - [Fit] makes weights or a stacking model from [Example]s; [Evaluate] says what a combination is worth.
//   - [Read] reads Examples from a file of JSON lines.
//
// A row's members are a [][]float64: one slice of class probabilities for each member, in the order of the members; each sums to
// 1, in the order of the labels. Nothing here changes what it is given, and everything is safe for concurrent use.
package combine

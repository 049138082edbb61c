// Package simulate plays streams of rows through a policy, a certificate and a team of reviewers, faster than real time: to see
// what a promise would cost before it is made, and to test that it is kept.
//
//   - [Run] plays one stream of a [Config] and answers what happened, as a series over time.
//   - [Promise] plays many and counts those in which a threshold was ever licensed that breaks the promise; [Mutants] does so for
//     certificates with a known mistake, which must be caught.
//   - [Drift] measures how long a change goes unnoticed, and how often the alarm is wrong.
//
// The [World] has a closed form, so that the risk of a threshold is known and not estimated: X ~ U(-3,3), P(y=1) = σ(2X), the
// model says max(p, 1-p). Everything is seeded: the same numbers in, the same numbers out, on any number of processors.
package simulate

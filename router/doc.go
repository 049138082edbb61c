// Package router decides, purely: a [Policy] and the [Evidence] of one row make a [Decision]. It reads no clock, no network
// and no store, so that every decision can be computed again from its record.
//
// It is the only place in Candor that compares a score with a threshold.
//
//   - [Score] turns one row's raw scores into Evidence, refusing numbers that can't be what the card says they are.
//   - [Compile] turns a configured policy into a Policy, refusing a threshold of the wrong kind.
//   - [Decide] routes a row after the primary has answered; [DecideTier] after a tier of the fallback has.
//   - [Apply] lets the policy's conditions raise what they decided.
//   - [Caution] orders routes; later gates may only raise it.
package router

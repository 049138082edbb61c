// Package certificate keeps the error promise on a live stream: which threshold a stage of a policy may accept at, on the
// evidence of verdicts on rows that a recorded coin chose.
//
// For a promise (α, δ): with probability at least 1-δ, at no time is a threshold licensed whose selective risk, the error rate
// among rows at or above it as the reviewers judge them, is above α. It holds while rows resemble those that earned the
// certificate; when they stop doing so an alarm takes it back.
//
//   - [Open] begins a certificate; [Draw] gives a call's chosen rows their place in its order; [Consume] takes in a unit of
//     evidence, all of whose verdicts are final, strictly in that order; [Threshold] says what is licensed now.
//   - The evidence is an importance-weighted e-process, a test martingale for each threshold of a frozen grid, mixed over bets
//     (after Xu, Karampatziakis, Mineiro: Active, anytime-valid risk controlling prediction sets, NeurIPS 2024). The grid is
//     tested from the strictest threshold down (fixed sequence), so that no correction for its size is needed.
//   - The alarm is an e-detector over judged accepts (Shin, Ramdas, Rinaldo: E-detectors, 2023): the average number of units to
//     a false alarm is at least its run length.
//
// Everything is pure: a state is a value of [candorv1.CertificateState], time comes in as microseconds, and whoever keeps states
// (a store) calls these functions inside its transactions. [Stream] is that bookkeeping in memory, for simulations and as the
// reference for stores. Nothing here is safe for concurrent use of one state.
package certificate

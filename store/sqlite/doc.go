// Package sqlite keeps everything that Candor must not lose in one embedded SQLite file: the decision log and its index,
// review items, final answers, outcomes, and the leases and latches of action limits.
//
//   - [Init] makes a store and gives it its identity; [Open] serves from it and refuses an absent, foreign or newer one;
//     [OpenReadOnly] reads beside a serving process.
//   - [Store] implements review.Store, limits.Store and the gateway's ledger.
//   - [Store.VerifyLog] checks the hash chains, [Store.Sweep] removes payloads after their retention.
//
// One goroutine owns the one connection that writes (writer.go). Whoever needs durability hands it a job and waits; plain
// accepts are left in a bounded queue and committed by the group, in runs (run.go). Every commit is synced to disk (synchronous=FULL). Readers
// have a pool of their own and, since the journal is a WAL, wait for nobody.
package sqlite

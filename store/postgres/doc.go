// Package postgres keeps everything that Candor must not lose in one PostgreSQL database, which many gateways may serve from
// at once: the decision log and its index, review items, final answers, outcomes, certificates, and the leases and latches of
// action limits.
//
//   - [Init] makes a store in a database and gives it its identity; [Open] serves from it and refuses an absent, foreign or
//     newer one; [OpenReadOnly] reads beside serving gateways.
//   - [Store] implements review.Store, limits.Store and the gateway's ledger, certificates, artefacts and pins.
//   - [Store.VerifyLog] checks the hash chains, [Store.Sweep] removes payloads after their retention.
//
// All tables are in the schema "candor".
//
// What is chained to the decision log goes through one goroutine and one connection of each open store (writer.go): callers
// that come at the same time share a transaction, and with it the wait for the disk. What isn't (claims, leases of permits,
// artefacts) runs in transactions of its own on a pool (direct.go). Both take row locks, so that gateways take turns where they
// must, and skip rows that another has locked where they may.
//
// A batch takes its locks in one order: the writer's own row, review items by id, keys of certificates by digest, and at its
// very end the feeds. So two gateways don't wait for each other in a ring; where they do all the same, the server ends one
// transaction, which is tried again.
package postgres

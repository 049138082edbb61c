// Package review is the human review queue: what an item is, and what may become of it.
//
// The life of an item is a set of acts ([Claim], [Resolve], [Skip], ...), each a pure function of the item as it was. A [Store] only
// loads an item under a lock, lets the act change it, and saves what came out, in one transaction: so every store has the same
// queue, and what it guarantees is tested without one.
package review

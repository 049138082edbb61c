// Package webhook delivers final answers to receivers over HTTP, per the Standard Webhooks specification
// (https://www.standardwebhooks.com): every message has an id, a time and a signature over both and its body.
//
// The feed of final answers is the outbox. A receiver has a cursor in it; the [Dispatcher] turns what lies behind the cursor into
// deliveries, in one transaction with the cursor's move, and the deliveries into requests. So what is in the feed arrives: at
// least once, under one id, which receivers drop when they see it again. Deliveries about one prediction arrive in the feed's
// order; those about another don't wait for them.
//
// [Sender] makes the requests. Where an address leads is checked when it is dialled.
package webhook

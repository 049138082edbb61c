// Package web is the pages for people: the review queue, an item and its verdict, one's own work, how the gateway does. Pages are rendered on the
// server, work without script, and load nothing from anywhere else.
//
// The pages are a client of the gateway's gRPC services, with no door of their own: whatever they show or change, the services
// have allowed to the person who asks. Nothing in a payload is sniffed, fetched or executed; it is shown by the view that the
// model's card declares.
//
//   - server.go has the routes, headers.go what every response says, layout.go what every page has, templates.go how one is made.
//   - queues.go, work.go, items.go and item.go are the pages; act.go is what people do on them.
//   - correct.go, appeal.go and golden.go are what seniors and administrators do about answers that were given.
//   - ops.go and its neighbours are the pages of operation; picture.go works out what their pictures show.
//   - payload.go and its neighbours turn a payload into something to look at.
//   - events.go tells open pages that something has moved; they ask again for what they show.
//   - problem.go turns an error of a service into words, with its remedy.
package web

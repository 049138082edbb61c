// Package people says who somebody is and what they may do: roles and queues, local users with passwords and passkeys, logins by
// OpenID Connect, sessions, tokens.
//
// [Person] is what everything else asks for. [Gate] stands before the pages and makes a Person of a browser's request; [Tokens]
// makes one of a bearer token on gRPC. Both keep what they know in a [Store]. docs/people.md says how it fits together.
package people

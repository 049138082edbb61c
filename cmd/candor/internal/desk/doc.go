// Package desk is candor review: the reviewer's work in a terminal. Items are shown blind, without the model's answer, until
// the verdict is in: a suggestion that is seen first anchors who sees it.
package desk

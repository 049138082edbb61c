// Package draw shows the input of a review item in a terminal, by the view that its model's card declares and never by what
// the bytes look like. Nothing in a payload is run, fetched or passed to the terminal as it came.
package draw

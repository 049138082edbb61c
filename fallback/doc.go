// Package fallback answers the rows that the primary could not: it asks the members of an ensemble in parallel, combines
// what they say, and asks one remedial stage for the rows for which too few members had an answer.
//
// It sees rows and Evidence, never tensors or connections: the caller's [Ask] does the asking. An [Ensemble] is read-only
// after it is made and may run any number of times at once.
package fallback

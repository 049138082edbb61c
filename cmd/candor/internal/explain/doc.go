// Package explain is candor explain: the whole story of one prediction, and counts of decisions beside those of the span
// before. Both work from the decision log alone, so that they are the same whether a gateway tells them or its store is read
// while nobody serves.
package explain

// Package monitor watches how a model's answers differ from before, and only warns: nothing here changes a route, a threshold
// or a certificate. Five monitors need no verdicts (PSI, KS, label shift, CBPE, fallback share), one does (prediction bias).
//
// A [Set] has a [Stream] for every model and stage. A Stream keeps one series per segment: the first rows are its reference, the
// rows after them fill one window after the other. A full window is compared with the reference once, and then forgotten, so
// that every look is at rows that no look has seen before. Memory is bounded: two histograms and two counts of labels a series,
// whatever the traffic. There is no clock: a window is a number of rows.
//
// Results whose monitor has a p-value are judged together, over all models, stages and segments, by the procedure of Benjamini
// and Hochberg (1995); see [Set.Status]. docs/monitors.md has every formula, and what it can't tell.
package monitor

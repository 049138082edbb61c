// Package calibrate is candor calibrate and candor artefacts: it reads held-out rows of a model from a file, or asks the model
// server about held-out inputs, fits a calibrator, certifies a threshold, and stores what it has made.
package calibrate

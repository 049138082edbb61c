// Package calibration is about how far a model's probabilities can be believed. It is pure: same numbers in, same curve, same
// certificate out. It reads no clock, no file and no network.
//
//   - [Fit] fits a calibrator to held-out rows: temperature, Platt, isotonic, beta or Venn-Abers.
//   - [New] makes a stored one ready to be applied, by [Calibrator.Apply].
//   - [Measure] says how good probabilities are: Brier, ECE, NLL, reliability, risk and coverage.
//   - [Certify] is the fixed-sequence test on held-out rows; [BinomialTail] and [UpperBound] are the exact numbers behind it.
//
// With two labels, calibrators other than temperature map the second label's probability. With more they are top-label
// calibrators (Gupta & Ramdas, ICLR 2022): p' = f(p) for the top label, whose place nobody takes, and the rest of the mass
// is scaled by (1-p')/(1-p). Temperature acts on the whole vector in both cases.
package calibration

// Package modelserver serves the digit models over the Open Inference Protocol (KServe V2 gRPC). It is a whole model
// server in a few short files, and meant to be copied: put your own model behind [Server] in place of the digits.
//
// Each model has one input and two outputs:
//
//	image          FP32   [-1, 64]   pixels from 0 to 16, row by row from the top left; the first dimension is the row
//	probabilities  FP32   [-1, 10]   of the digits 0 to 9 (or: logits, for a model that gives those)
//	label          BYTES  [-1]       the most probable digit, as text
//
// What an OIP server owes its clients, and where it is here: the six core methods (server.go); tensors typed or raw, and
// an answer in the form of the question (tensors.go); every mistake of a caller as INVALID_ARGUMENT with the path of the
// field, or NOT_FOUND (request.go); the requested outputs only; model name, version and id in each answer.
package modelserver

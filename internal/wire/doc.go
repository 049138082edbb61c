// Package wire reads and writes Open Inference Protocol messages as protobuf bytes, without building them.
//
// A request or a response is looked at in one pass ([ScanRequest], [ScanResponse]): names, parameters, tensor headers
// and where the contents lie. What is only forwarded stays the bytes that it came as, unknown fields included
// ([Request.Forward], [Response.Rewrite]); only tensors that someone asks for are decoded ([Tensor.Floats],
// [Tensor.Texts]), and only rows that someone replaces are encoded ([Splice]), unless a client reads only the other form
// ([Response.Transcode]). The frames that Triton puts around the responses of a stream are taken off and put on as bytes, too
// ([ScanStreamFrame], [WrapStream]).
//
// What differs between the dialects of the protocol is one table ([DialectOf]), and is bridged here: [Request.For] and
// [Response.For] for parameters and for servers that read only typed contents, [Response.In] for the form of an answer,
// [Metadata] for field 6 of a model's metadata, [Load] for the repository's requests.
//
// Two facts about protobuf carry the package. A message followed by more of its fields is the same message merged, so
// metadata is appended instead of re-encoding what is there; and the last occurrence of a singular field wins, so a
// name is replaced by appending the new one.
//
// Scanning accepts what proto.Unmarshal accepts and refuses what it refuses, with one addition: the number of
// tensors, parameters and outputs in a message is limited (see [MaxItems]), because each takes far more memory than
// the two bytes that it can be written in. Scanning proves that a message is well-formed protobuf; [Request.Validate]
// and [Response.Validate] prove that it makes sense.
//
// This is the only package of Candor that touches raw protobuf bytes and gRPC's experimental mem package. Nothing here
// keeps state: values may be read by several goroutines at once as long as nobody changes them.
package wire

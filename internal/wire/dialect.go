package wire

import (
	"slices"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Dialect is what is known about the wire of one kind of server software, and so about the clients that were made for it.
// All that differs between dialects on the wire stands in one table, below; docs/dialects.md tells it to people, and a test
// holds the two together. (What a status means for a server's health differs too: that is backend/classify.go.)
type Dialect struct {
	// Value is the dialect's value in the configuration.
	Value candorv1.Dialect
	// Service is the full name of the gRPC service, the first half of every method's path.
	Service string
	// Params are the kinds of InferParameter that the software can read.
	Params ParamForm
	// TypedRequests: the software reads inputs only from each tensor's contents, and takes no notice of raw_input_contents.
	TypedRequests bool
	// Answers is the form in which it answers, and in which its clients read.
	Answers AnswerForm
	// Metadata is what field 6 of its ModelMetadataResponse holds.
	Metadata MetadataForm
	// Frames is what ModelStreamInfer answers.
	Frames StreamForm
	// LoadName is where RepositoryModelLoad and RepositoryModelUnload have the model's name.
	LoadName LoadForm
	// ServerMetadata: the software has this method.
	ServerMetadata bool
	// Extras are the methods that it has beside the six that the published protocol names, ModelStreamInfer and the repository's.
	Extras []string
}

// ParamForm says which kinds of parameters a peer can read.
type ParamForm uint8

const (
	// ParamsAll are all kinds.
	ParamsAll ParamForm = iota
	// ParamsBasic are bool, int64 and string.
	ParamsBasic
)

// AnswerForm is the form of answers.
type AnswerForm uint8

const (
	// AnswersAny: not known, or either.
	AnswersAny AnswerForm = iota
	// AnswersRaw: always in raw_output_contents.
	AnswersRaw
	// AnswersMirrored: raw to a raw request, typed to a typed one.
	AnswersMirrored
	// AnswersTyped: always in each tensor's contents.
	AnswersTyped
)

// MetadataForm is what field 6 of a ModelMetadataResponse holds.
type MetadataForm uint8

const (
	// MetadataNone: there is no such field.
	MetadataNone MetadataForm = iota
	// MetadataProperties: map<string, string> properties, as published.
	MetadataProperties
	// MetadataParameters: map<string, InferParameter> parameters.
	MetadataParameters
)

// StreamForm is the message that ModelStreamInfer answers.
type StreamForm uint8

const (
	// StreamNone: there is no ModelStreamInfer.
	StreamNone StreamForm = iota
	// StreamWrapped: ModelStreamInferResponse{error_message = 1, infer_response = 2}.
	StreamWrapped
	// StreamBare: ModelInferResponse itself; errors end the stream.
	StreamBare
)

// LoadForm is the number of the field that names the model when the repository is told to load or unload it.
type LoadForm uint8

const (
	// LoadNone: the repository can't be told.
	LoadNone LoadForm = 0
	// LoadFirst: field 1, and the answer has model_name = 1 and whether it was done = 2.
	LoadFirst LoadForm = 1
	// LoadSecond: field 2, after repository_name; the answer is empty.
	LoadSecond LoadForm = 2
)

// The services' names.
const (
	publishedService  = "inference.GRPCInferenceService"
	torchserveService = "org.pytorch.serve.grpc.openinference.GRPCInferenceService"
	aissembleService  = "inference.GrpcInferenceService"
)

// tritonExtras are the methods of Triton that say something about a model or the server.
var tritonExtras = []string{"ModelConfig", "ModelStatistics", "TraceSetting", "LogSettings"}

// dialects is the table. Facts are those of the software's sources: the protos, and what its code reads and answers.
var dialects = [...]Dialect{
	{
		Value: candorv1.Dialect_DIALECT_OIP, Service: publishedService, Params: ParamsAll, Answers: AnswersAny,
		Metadata: MetadataProperties, Frames: StreamNone, LoadName: LoadNone, ServerMetadata: true,
	},
	{
		Value: candorv1.Dialect_DIALECT_TRITON, Service: publishedService, Params: ParamsAll, Answers: AnswersRaw,
		Metadata: MetadataNone, Frames: StreamWrapped, LoadName: LoadSecond, ServerMetadata: true, Extras: tritonExtras,
	},
	{
		Value: candorv1.Dialect_DIALECT_KSERVE, Service: publishedService, Params: ParamsBasic, Answers: AnswersMirrored,
		Metadata: MetadataNone, Frames: StreamNone, LoadName: LoadFirst, ServerMetadata: true,
	},
	{
		Value: candorv1.Dialect_DIALECT_MLSERVER, Service: publishedService, Params: ParamsBasic, Answers: AnswersMirrored,
		Metadata: MetadataParameters, Frames: StreamBare, LoadName: LoadSecond, ServerMetadata: true,
	},
	{
		Value: candorv1.Dialect_DIALECT_SELDON, Service: publishedService, Params: ParamsBasic, Answers: AnswersMirrored,
		Metadata: MetadataParameters, Frames: StreamBare, LoadName: LoadNone, ServerMetadata: true,
	},
	{
		Value: candorv1.Dialect_DIALECT_OVMS, Service: publishedService, Params: ParamsBasic, Answers: AnswersMirrored,
		Metadata: MetadataNone, Frames: StreamWrapped, LoadName: LoadNone, ServerMetadata: true,
	},
	{
		Value: candorv1.Dialect_DIALECT_TORCHSERVE, Service: torchserveService, Params: ParamsBasic, TypedRequests: true, Answers: AnswersTyped,
		Metadata: MetadataProperties, Frames: StreamNone, LoadName: LoadNone, ServerMetadata: false,
	},
	{
		Value: candorv1.Dialect_DIALECT_AISSEMBLE, Service: aissembleService, Params: ParamsAll, TypedRequests: true, Answers: AnswersTyped,
		Metadata: MetadataProperties, Frames: StreamNone, LoadName: LoadNone, ServerMetadata: true,
	},
	{
		Value: candorv1.Dialect_DIALECT_DYNAMO, Service: publishedService, Params: ParamsAll, Answers: AnswersAny,
		Metadata: MetadataNone, Frames: StreamWrapped, LoadName: LoadNone, ServerMetadata: false, Extras: []string{"ModelConfig"},
	},
}

// DialectOf returns what is known about a dialect. One that isn't specified, or that this version doesn't know, is the
// published protocol.
func DialectOf(d candorv1.Dialect) *Dialect {
	for i := range dialects {
		if dialects[i].Value == d {
			return &dialects[i]
		}
	}
	return &dialects[0]
}

// Dialects returns the table, which nobody may change.
func Dialects() []Dialect { return dialects[:] }

// Services returns the name of every service, with the dialect that the name alone tells: unspecified for the published
// one.
func Services() map[string]candorv1.Dialect {
	all := map[string]candorv1.Dialect{publishedService: candorv1.Dialect_DIALECT_UNSPECIFIED}
	for i := range dialects {
		if d := &dialects[i]; d.Service != publishedService {
			all[d.Service] = d.Value
		}
	}
	return all
}

// Has reports whether the dialect has one of the methods that Extras lists.
func (d *Dialect) Has(method string) bool { return slices.Contains(d.Extras, method) }

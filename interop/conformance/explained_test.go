package conformance_test

import (
	"slices"
	"strings"
)

// explained is a difference that is meant to be, with its reason. It is held exactly: every client that makes one of the checks at
// the server sees this difference, and one that nobody sees is a failure.
type explained struct {
	server string
	checks []string
	// answered: every inference that is answered, in place of a list of checks.
	answered bool
	// clients that see it, by title; none: all that make the check.
	clients []string
	difference
	why string
}

// claims says whether the explanation is about what the client sees in the check.
func (e explained) claims(s *server, c *client, k testCase) bool {
	if e.server != s.name || len(e.clients) > 0 && !slices.Contains(e.clients, c.title) {
		return false
	}
	return e.answered && k.good || slices.Contains(e.checks, k.Name)
}

func (e explained) where() string {
	where := e.server + ", " + strings.Join(e.checks, "; ")
	if e.answered {
		where = e.server + ", every inference that is answered"
	}
	if len(e.clients) > 0 {
		where += " (" + strings.Join(e.clients, ", ") + ")"
	}
	return where
}

// refusal is a good request that a server itself refuses, so that both ways end in an error.
type refusal struct{ server, check, code, why string }

var refusals = []refusal{
	{"mlserver", "5 MiB", "RESOURCE_EXHAUSTED", "It takes messages of up to 4 MiB, gRPC's default."},
}

// becomes is a status at the server itself, and another one through Candor.
func becomes(direct, candor string) difference { return difference{"code", direct, candor} }

const (
	byTheCard   = "Candor holds a request against the model's card, and says which field is wrong and what to send."
	userMistake = "The request is what is wrong, and Candor says so; it never says UNKNOWN or INTERNAL to a caller's mistake."
	ownVersion  = "The server knows no versions. Candor's configuration names one, and every answer tells which."
)

var explanations = []explained{
	{
		server: "mlserver", checks: []string{"unknown input", "missing input", "wrong datatype"}, difference: becomes("OK", "INVALID_ARGUMENT"),
		why: byTheCard + " MLServer does not look at names and datatypes.",
	},
	{
		server: "mlserver", checks: []string{"BYTES of fewer elements", "contents in both forms", "more raw contents than inputs"},
		difference: becomes("OK", "INVALID_ARGUMENT"), why: "The contents contradict the shape or one another; MLServer takes what it can of them.",
	},
	{
		server: "mlserver",
		checks: []string{
			"wrong width", "wrong rank", "no rows", "fewer bytes than the shape says", "more bytes than the shape says", "contents cut inside an element",
			"negative dimension", "shape of 2^33 elements", "unknown datatype", "BF16, which none of the servers knows", "BYTES cut inside an element",
			"contents in no form",
		},
		difference: becomes("INTERNAL", "INVALID_ARGUMENT"), why: userMistake,
	},
	{
		server: "mlserver", checks: []string{"message cut short", "no protobuf message"}, difference: becomes("UNKNOWN", "INVALID_ARGUMENT"),
		why: userMistake + " (gRPC in Python: \"Exception deserializing request\".)",
	},
	{
		server: "mlserver", checks: []string{"ModelReady, unknown model", "ModelReady, unknown version"}, difference: becomes("UNKNOWN", "NOT_FOUND"),
		why: userMistake,
	},
	{server: "mlserver", checks: []string{"ServerMetadata"}, difference: difference{"name", `"mlserver"`, `"candor"`}, why: "Who is asked, answers."},

	{server: "kserve", answered: true, difference: difference{"version", "", "1"}, why: ownVersion},
	{server: "kserve", checks: []string{"ModelMetadata", "ModelMetadata of many tensors"}, difference: difference{"versions", "", `["1"]`}, why: ownVersion},
	{
		server: "kserve", checks: []string{"unknown version", "ModelReady, unknown version", "ModelMetadata, unknown version"},
		difference: becomes("OK", "NOT_FOUND"), why: ownVersion,
	},
	{
		server: "kserve", checks: []string{"one input too many", "no rows", "negative dimension"}, difference: becomes("OK", "INVALID_ARGUMENT"), why: byTheCard,
	},
	{
		server: "kserve",
		checks: []string{
			"fewer bytes than the shape says", "more bytes than the shape says", "contents cut inside an element", "shape of 2^33 elements",
			"BYTES cut inside an element", "BYTES of fewer elements", "contents in no form",
		},
		difference: becomes("INTERNAL", "INVALID_ARGUMENT"), why: userMistake,
	},
	{
		server: "kserve", checks: []string{"message cut short", "no protobuf message"}, difference: becomes("UNKNOWN", "INVALID_ARGUMENT"), why: userMistake,
	},
	{server: "kserve", checks: []string{"ServerMetadata"}, difference: difference{"name", `"kserve"`, `"candor"`}, why: "Who is asked, answers."},

	{
		server: "triton", checks: []string{"more raw contents than inputs"}, difference: becomes("OK", "INVALID_ARGUMENT"),
		why: "Nothing says which input the surplus belongs to. Triton drops it.",
	},
	{server: "triton", checks: []string{"message cut short", "no protobuf message"}, difference: becomes("INTERNAL", "INVALID_ARGUMENT"), why: userMistake},
	{
		server: "triton", checks: []string{"ModelReady, unknown model", "ModelReady, unknown version"}, difference: becomes("OK", "NOT_FOUND"),
		why: "Triton says that a model which is not there is not ready; Candor says that it is not there, as the other servers do.",
	},
	{server: "triton", checks: []string{"ServerMetadata"}, difference: difference{"name", `"triton"`, `"candor"`}, why: "Who is asked, answers."},
}

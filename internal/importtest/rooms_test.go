package importtest

import "strings"

// module is the path that this repository's own imports begin with.
const module = "github.com/candor-gateway/candor"

// kind says what else than levels a room's imports are held to. Rooms of the zero kind import any library that has no single
// owner.
type kind int

const (
	// pure rooms import the standard library, gonum and gen, and what their entry allows.
	pure kind = iota + 1
	// testOnly rooms are imported by _test.go files alone.
	testOnly
	// outside are programs that a user could have written: gen, the standard library, grpc and protobuf, and one another.
	outside
)

// room is a package, or with /... at the end of its path a tree of them, and the level that it is on. A package imports
// only rooms of lower levels.
type room struct {
	path   string
	level  int
	kind   kind
	allows []string // beyond the kind, for pure rooms
	why    string
}

// rooms is the whole of it; see ARCHITECTURE.md. A room of the design may still be empty.
var rooms = []room{
	{path: "gen/candor/v1", level: 0, why: "generated: our own API and the decision record"},
	{path: "gen/inference", level: 0, why: "generated: the Open Inference Protocol"},

	{path: "router", level: 1, kind: pure, why: "decides on values alone, so that a decision can be replayed"},
	{path: "calibration/...", level: 1, kind: pure,
		allows: []string{"google.golang.org/protobuf/proto", "google.golang.org/protobuf/types/known/timestamppb"},
		why:    "statistics: same numbers in, same certificate out; it needs proto for a key's digest and for what callers are shown"},
	{path: "limits", level: 1, kind: pure, why: "the last gate; knows its store as an interface and time as a value"},
	{path: "audit", level: 1, kind: pure, allows: []string{"google.golang.org/protobuf/proto", "github.com/google/uuid"},
		why: "the decision record and its chain, which anybody can verify offline; it needs proto for the record's encoding"},
	{path: "condition", level: 1, kind: pure, allows: []string{
		"github.com/google/cel-go/cel", "github.com/google/cel-go/checker", "github.com/google/cel-go/common/ast",
		"github.com/google/cel-go/common/types", "github.com/google/cel-go/common/types/ref", "github.com/google/cel-go/interpreter",
	}, why: "expressions over values, below config, which checks them, and gateway, which evaluates them; the language is cel-go's"},
	{path: "internal/defect", level: 1, kind: pure, why: "what becomes of a panic in a goroutine of our own; knows no room"},
	{path: "internal/heldport", level: 1, kind: pure, why: "ports for processes that tests and the benchmark start; knows no room"},
	{path: "internal/inside", level: 1, why: "a connection to the own process's server; imports grpc"},
	{path: "internal/listening", level: 1, kind: pure, why: "why an address can't be listened on; knows no room"},
	{path: "internal/wire", level: 1, why: "raw protobuf and tensor views; imports grpc for its codec, and no room but gen"},

	{path: "backend", level: 2, why: "one model server"},
	{path: "fallback", level: 2, why: "asks several backends through an interface of its own"},
	{path: "review", level: 2, why: "the review queue over a store interface"},
	{path: "webhook", level: 2, why: "delivers events of a feed; knows feed and store as interfaces, and nothing of reviews"},
	{path: "config", level: 2, why: "the configuration and its faults"},
	{path: "people", level: 2, why: "who somebody is: users, logins, sessions, over a store interface"},
	{path: "replay", level: 2, why: "decides records again: over records as values, knows no store"},

	{path: "store/sqlite", level: 3, why: "driver"},
	{path: "store/postgres", level: 3, why: "driver"},
	{path: "store/postgres/pgtest", level: 3, why: "a real PostgreSQL for tests and for bench/queue"},
	{path: "store/storetest", level: 3, why: "the conformance suite that every driver passes"},
	{path: "web", level: 3, why: "pages over the services of gateway, as their client"},

	{path: "gateway", level: 4, why: "the request path; gets its store through interfaces"},

	{path: "cmd/...", level: 5, why: "wiring"},
	{path: "bench/...", level: 5, why: "measures the whole from outside"},
	{path: "interop/...", level: 5, why: "the gateway against clients and model servers that others wrote"},
	{path: "internal/oiptest", level: 5, kind: testOnly, why: "a scripted fake model server"},
	{path: "internal/faultproxy", level: 5, kind: testOnly, why: "a network that misbehaves on demand"},
	{path: "internal/importtest", level: 5, kind: testOnly, why: "this test"},
	{path: "internal/leaktest", level: 5, kind: testOnly, why: "no goroutine is left when a package's tests end"},
	{path: "soak", level: 5, why: "the ten promises, kept by the whole under faults"},
	{path: "examples/...", level: 5, kind: outside, why: "programs to be copied: they must work without our source"},
}

// holds says whether the package in dir belongs to the room.
func (r room) holds(dir string) bool {
	tree, isTree := strings.CutSuffix(r.path, "/...")
	return dir == tree || isTree && strings.HasPrefix(dir, tree+"/")
}

func roomOf(dir string) (room, bool) {
	for _, r := range rooms {
		if r.holds(dir) {
			return r, true
		}
	}
	return room{}, false
}

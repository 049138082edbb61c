package importtest

import (
	"slices"
	"strings"
)

// owner is a thing that only some rooms may import or call in what they build. Tests may.
type owner struct {
	// imports are the paths that are owned; with /... at the end the tree below, too.
	imports []string
	// names are what is owned of those packages; none: the import itself.
	names []string
	// rooms by path, as in the list of rooms. except turns it round: everybody but these.
	rooms  []string
	except bool
	why    string
}

var owners = []owner{
	{
		imports: []string{"google.golang.org/grpc"},
		names:   []string{"NewClient", "Dial", "DialContext"},
		rooms:   []string{"backend", "internal/inside", "cmd/...", "bench/...", "examples/..."},
		why: "only backend dials: deadline, breaker, retry budget and metrics sit there, and a connection made elsewhere has none " +
			"of them. (The command line dials the gateway itself, as a client; internal/inside dials its own process.) Ask through a backend.Backend",
	},
	{
		imports: []string{"database/sql/...", "modernc.org/sqlite/...", "github.com/jackc/pgx/...", "github.com/lib/pq/...",
			"github.com/mattn/go-sqlite3/...", "github.com/pressly/goose/..."},
		rooms: []string{"store/sqlite", "store/postgres", "store/postgres/pgtest", "store/storetest"},
		why: "only store/* knows SQL: each driver is native, and what it must do is the interface and store/storetest. " +
			"Add a method to the store's interface",
	},
	{
		imports: []string{"google.golang.org/grpc/mem/...", "google.golang.org/protobuf/encoding/protowire"},
		// The benchmark's reference proxies stand for what others would write: their codec is their own, of 20 lines, and no
		// change of ours to wire can make them slower or faster.
		rooms: []string{"internal/wire", "bench/..."},
		why: "only internal/wire touches raw protobuf bytes and grpc's buffers: a missed reference or an unchecked length is " +
			"memory corruption or a crash, and that one place is fuzzed. Use its views, or add one",
	},
	{
		imports: []string{"google.golang.org/grpc/status", "google.golang.org/genproto/googleapis/rpc/..."},
		rooms:   []string{"gateway", "backend", "web", "cmd/...", "bench/...", "examples/...", "internal/oiptest"},
		why: "only gateway makes statuses for callers; backend reads those of model servers, and web those of the gateway: elsewhere a status would reach " +
			"callers without a documented reason. Return an error that gateway can tell by errors.Is",
	},
	{
		imports: []string{"time"},
		names:   []string{"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Sleep"},
		rooms:   []string{"router", "calibration/...", "limits", "audit", "internal/wire"},
		except:  true,
		why: "level 1 reads no clock: the store's clock is the only one, and what depends on a hidden one can't be replayed. " +
			"Take the time as a parameter",
	},
}

// owns says whether the import path is one of the owned.
func (o owner) owns(path string) bool {
	return slices.ContainsFunc(o.imports, func(p string) bool {
		tree, isTree := strings.CutSuffix(p, "/...")
		return path == tree || isTree && strings.HasPrefix(path, tree+"/")
	})
}

func (o owner) allows(dir string) bool {
	listed := slices.ContainsFunc(o.rooms, func(path string) bool { return room{path: path}.holds(dir) })
	return listed != o.except
}

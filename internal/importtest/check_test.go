package importtest

import (
	"fmt"
	"slices"
	"strings"
)

// check answers what is wrong with the files, one line for each fault: where, what, why it is a fault, and what to do.
func check(files []source) []string {
	var faults []string
	unlisted := map[string]bool{}
	for _, f := range files {
		home, ok := roomOf(f.dir)
		if !ok {
			if !unlisted[f.dir] {
				faults = append(faults, fmt.Sprintf("%s: this package isn't in the list of rooms: add it to "+
					"internal/importtest/rooms_test.go with its level and a reason. Without a level nothing keeps it apart from "+
					"the others", f.dir))
			}
			unlisted[f.dir] = true
			continue
		}
		if f.test {
			continue // a test may bring what it takes: a real store, a model server, a clock
		}
		for _, imp := range f.imports {
			if fault := checkImport(home, f.dir, imp.path); fault != "" {
				faults = append(faults, fmt.Sprintf("%s: %s imports %s: %s", imp.pos, f.dir, imp.path, fault))
			}
		}
		if home.level > 0 { // what the generators write is theirs to answer for
			faults = append(faults, checkOwners(f)...)
		}
	}
	return faults
}

// checkImport answers why a package of the room must not import path; empty: it may.
func checkImport(home room, dir, path string) string {
	to, own := strings.CutPrefix(path, module+"/")
	if !own {
		return checkLibrary(home, path)
	}
	target, ok := roomOf(to)
	switch {
	case !ok:
		return "" // its own entry is missing, and is reported where it stands
	case strings.HasPrefix(to, "store/") && home.path == "gateway":
		return "gateway never sees a store: it declares what it needs (Ledger) and cmd hands it in, so that the request path " +
			"runs over any driver"
	case to == "web" && home.path == "gateway":
		return "gateway never sees the pages: cmd serves them beside it"
	case target.path == home.path || target.level == 0 && home.level == 0:
		return "" // packages of one tree
	case home.kind == outside:
		if target.level == 0 {
			return ""
		}
		return "examples are programs that users copy: they import gen, the standard library, grpc and protobuf, and none of " +
			"our rooms"
	case target.kind == testOnly:
		return "it is for _test.go files only and must not be part of a program"
	case target.kind == outside:
		if home.level == 5 {
			return ""
		}
		return "only programs (level 5) may start an example"
	case target.level >= home.level:
		return fmt.Sprintf("%s is on level %d (%s), %s on level %d (%s); a package imports only lower levels, so that each can be "+
			"understood and tested without those above it. Declare the interface that you need where you need it, or move "+
			"what both share down", target.path, target.level, target.why, dir, home.level, home.why)
	}
	return ""
}

// checkLibrary holds pure and outside rooms to the libraries that they may use.
func checkLibrary(home room, path string) string {
	first, _, _ := strings.Cut(path, "/")
	if !strings.Contains(first, ".") {
		return "" // the standard library
	}
	switch home.kind {
	case pure:
		if path == "gonum.org/v1/gonum" || strings.HasPrefix(path, "gonum.org/v1/gonum/") || slices.Contains(home.allows, path) {
			return ""
		}
		return fmt.Sprintf("%s imports the standard library, gonum and gen only (%s): what decides must run the same in the "+
			"gateway, in a replay and in a test. Take it as a value, a function or an interface", home.path, home.why)
	case outside:
		for _, tree := range []string{"google.golang.org/grpc", "google.golang.org/protobuf"} {
			if path == tree || strings.HasPrefix(path, tree+"/") {
				return ""
			}
		}
		return "examples are programs that users copy: the standard library, grpc and protobuf are all that they may need"
	}
	return ""
}

// checkOwners holds a file to what only others may touch.
func checkOwners(f source) []string {
	var faults []string
	for _, o := range owners {
		if o.allows(f.dir) {
			continue
		}
		for _, imp := range f.imports {
			switch {
			case !o.owns(imp.path):
			case len(o.names) == 0:
				faults = append(faults, fmt.Sprintf("%s: %s imports %s: %s", imp.pos, f.dir, imp.path, o.why))
			case imp.name == ".":
				faults = append(faults, fmt.Sprintf("%s: %s imports %s with a dot, which hides what is used of it: %s", imp.pos,
					f.dir, imp.path, o.why))
			}
		}
		for _, u := range f.uses {
			if o.owns(u.path) && slices.Contains(o.names, u.name) {
				faults = append(faults, fmt.Sprintf("%s: %s uses %s.%s: %s", u.pos, f.dir, usualName(u.path), u.name, o.why))
			}
		}
	}
	return faults
}

package conformance_test

import (
	"fmt"
	"strings"
)

// cell is one client at one server in one check.
type cell struct {
	made bool
	// code on both ways.
	direct, candor string
	// notes are numbers of explanations.
	notes  []int
	failed bool
}

func (c cell) String() string {
	switch {
	case !c.made:
		return ""
	case c.failed:
		return "**FAILED**"
	}
	text := code(c.direct)
	if c.direct != c.candor {
		text += " → " + code(c.candor)
	}
	for _, n := range c.notes {
		text += fmt.Sprintf(" [%d]", n+1)
	}
	return text
}

// code as the table has it: an answer is the usual thing.
func code(c string) string {
	if c == "OK" {
		return "ok"
	}
	return c
}

// section of the table is a server.
type section struct {
	server *server
	// versions of its packages, as text.
	versions string
	checks   []string
	cells    map[string]map[string]cell // check, client
}

// table is the whole result, as Markdown. The same results make the same bytes.
type table struct {
	clients  []*client
	versions []string
	sections []section
	perf     string
}

func (t *table) String() string {
	var b strings.Builder
	b.WriteString(tableHead)
	b.WriteString("| client | version | calls through |\n|---|---|---|\n")
	for i, c := range t.clients {
		how := "`interop/conformance/clients/" + c.program + "`"
		fmt.Fprintf(&b, "| %s | %s | %s |\n", c.title, t.versions[i], how)
	}
	b.WriteString("\n| server | packages | calls itself |\n|---|---|---|\n")
	for _, s := range t.sections {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", s.server.title, s.versions, s.server.calledItself)
	}
	for _, s := range t.sections {
		fmt.Fprintf(&b, "\n## %s\n\n| check |", s.server.title)
		for _, c := range t.clients {
			fmt.Fprintf(&b, " %s |", c.title)
		}
		b.WriteString("\n|---|" + strings.Repeat("---|", len(t.clients)) + "\n")
		for _, k := range s.checks {
			fmt.Fprintf(&b, "| %s |", k)
			for _, c := range t.clients {
				fmt.Fprintf(&b, " %s |", s.cells[k][c.title])
			}
			b.WriteString("\n")
		}
	}
	b.WriteString("\n## What differs, and why\n\n")
	for i, e := range explanations {
		fmt.Fprintf(&b, "%d. %s: %s. %s\n", i+1, e.where(), e.difference, e.why)
	}
	b.WriteString("\n## What a server refuses by itself\n\n")
	for _, r := range refusals {
		fmt.Fprintf(&b, "- %s, %s: %s. %s\n", r.server, r.check, r.code, r.why)
	}
	b.WriteString(t.perf)
	return b.String()
}

const tableHead = `# Conformance

Written by ` + "`interop/run.sh`" + `, which fails when this file is not what it has just seen. Every client makes every check twice with the
same bytes, at the server itself and through Candor, and both answers are compared: status, names, datatypes, shapes and every bit of
every tensor, the form of the contents (raw or typed), the id, versions and parameters. Through Candor the answer also has to have
Candor's [metadata](metadata.md).

A cell tells what both ways ended in: ` + "`ok`" + `, or a status. ` + "`A → B [n]`" + ` is a difference: A at the server, B through Candor, explained under number n;
an explanation is held exactly, and one that nobody sees is a failure too. CLIENT is a client that refuses by itself. An empty cell is a call that the client has no way to make.

`

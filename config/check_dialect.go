package config

import (
	"fmt"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
)

// controls complains about methods that are allowed for a model server which, by its stated dialect, doesn't have them. What a
// dialect that is left out has, only the running gateway finds out.
func (c *checker) controls(at path, backend *candorv1.Backend) {
	if backend.GetDialect() == candorv1.Dialect_DIALECT_UNSPECIFIED {
		return
	}
	dialect := wire.DialectOf(backend.GetDialect())
	for i, control := range backend.GetAllow() {
		if has := map[candorv1.Control]bool{
			candorv1.Control_CONTROL_UNSPECIFIED: true, // somebody else's fault to report
			candorv1.Control_CONTROL_REPOSITORY:  dialect.LoadName != wire.LoadNone,
			candorv1.Control_CONTROL_TRACE:       dialect.Has("TraceSetting"),
			candorv1.Control_CONTROL_LOG:         dialect.Has("LogSettings"),
		}[control]; !has && !c.lost(at.item(i)) {
			c.complain(at.item(i), fmt.Sprintf("a model server of dialect %s has nothing to allow here", short(backend.GetDialect())),
				"take it out, or correct the dialect")
		}
	}
}

// contents warns about a form that clients of the stated dialect don't read.
func (c *checker) contents(at path, consumer *candorv1.Consumer) {
	dialect := wire.DialectOf(consumer.GetDialect())
	switch {
	case c.lost(at) || consumer.GetDialect() == candorv1.Dialect_DIALECT_UNSPECIFIED:
	case consumer.GetContents() == candorv1.Contents_CONTENTS_TYPED && dialect.Answers == wire.AnswersRaw:
		c.warn(at, fmt.Sprintf("clients of dialect %s read raw contents only", short(consumer.GetDialect())), "write raw, or take it out")
	case consumer.GetContents() == candorv1.Contents_CONTENTS_RAW && dialect.Answers == wire.AnswersTyped:
		c.warn(at, fmt.Sprintf("clients of dialect %s read typed contents only", short(consumer.GetDialect())), "write typed, or take it out")
	}
}

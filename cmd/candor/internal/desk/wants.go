package desk

import (
	"fmt"
	"strings"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// keySuffix ends the source of a key.
const keySuffix = " as key"

// wantText says what a limit can't count a held answer without, and who can say it.
func wantText(w *candorv1.LimitWant, id string) string {
	source := strings.TrimSuffix(w.GetSource(), keySuffix)
	what, flag := "the amount "+source, "--amount "+source+"=UNITS"
	if w.GetUnit() != "" {
		what += " in " + w.GetUnit()
	}
	if w.GetKey() {
		what, flag = "the key "+source, "--key "+source+"=VALUE"
	}
	return fmt.Sprintf("%s, for %s: %s; an operator says it: candor limits count %s %s --reason TEXT", what, w.GetLimit(), w.GetProblem(), id, flag)
}

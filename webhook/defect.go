package webhook

import "errors"

// errDefect is what came of an attempt that panicked.
var errDefect = errors.New("a defect of the gateway; its log has the details")

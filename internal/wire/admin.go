package wire

import (
	"google.golang.org/protobuf/encoding/protowire"
)

// Load is a RepositoryModelLoadRequest or RepositoryModelUnloadRequest of either form: the KServe SDK has the model's name in
// field 1, everybody else has the repository's name there and the model's in field 2.
type Load struct {
	// Model is the model's name.
	Model string
	// Form is the form that it came in.
	Form LoadForm

	data []byte
}

// ScanLoad views an encoded load or unload request. A message without field 2 is the KServe SDK's. Errors are *FieldError.
func ScanLoad(data []byte) (*Load, error) {
	l := &Load{Form: LoadFirst, data: data}
	var first, second string
	c := cursor{rest: data}
	for c.next() {
		var err error
		switch {
		case c.is(1, protowire.BytesType):
			first, err = new(scanner).text(c.data)
		case c.is(2, protowire.BytesType):
			l.Form = LoadSecond
			second, err = new(scanner).text(c.data)
		}
		if err != nil {
			return nil, within("model_name", -1, err)
		}
	}
	if c.err != nil {
		return nil, c.err
	}
	l.Model = first
	if l.Form == LoadSecond {
		l.Model = second
	}
	return l, nil
}

// For returns the request in a backend's form, for the model as the backend names it. What both forms have keeps its bytes; the
// KServe SDK knows neither repositories nor parameters, which are left out for it.
func (l *Load) For(form LoadForm, model string) []byte {
	if form == LoadFirst {
		return appendBytes(nil, 1, model)
	}
	var dst []byte
	c := cursor{rest: l.data}
	for c.next() {
		if name := protowire.Number(l.Form); !c.is(name, protowire.BytesType) {
			dst = append(dst, c.span...)
		}
	}
	return appendBytes(dst, 2, model)
}

// Done returns the answer to the request in the form that it came in, for the model as the client names it. answer is what the
// backend, whose form is given, said without an error.
func (l *Load) Done(form LoadForm, answer []byte) []byte {
	if l.Form == LoadSecond {
		if form == LoadSecond {
			return answer
		}
		return nil
	}
	done := uint64(1)
	if form == LoadFirst {
		done = 0
		c := cursor{rest: answer}
		for c.next() {
			if c.is(2, protowire.VarintType) {
				done = protowire.EncodeBool(c.bits != 0)
			}
		}
	}
	dst := appendBytes(nil, 1, l.Model)
	dst = protowire.AppendTag(dst, 2, protowire.VarintType)
	return protowire.AppendVarint(dst, done)
}

// RenameConfig returns an encoded ModelConfigResponse in which the model has another name. Everything else keeps its bytes. The
// error is a *FieldError: the answer is no message.
func RenameConfig(data []byte, name string) ([]byte, error) {
	var dst, config []byte
	found := false
	c := cursor{rest: data}
	for c.next() {
		if c.is(1, protowire.BytesType) {
			found = true
			config = append(config, c.data...)
			continue
		}
		dst = append(dst, c.span...)
	}
	if c.err != nil || !found {
		return data, c.err
	}
	renamed, err := renamed(config, name)
	if err != nil {
		return nil, within("config", -1, err)
	}
	return appendBytes(dst, 1, renamed), nil
}

// RenameStatistics returns an encoded ModelStatisticsResponse with only the statistics of the model that the backend calls
// have, under another name. The error is a *FieldError: the answer is no message.
func RenameStatistics(data []byte, have, name string) ([]byte, error) {
	var dst []byte
	c := cursor{rest: data}
	for c.next() {
		if !c.is(1, protowire.BytesType) {
			dst = append(dst, c.span...)
			continue
		}
		if lastString(c.data, 1) != have {
			continue
		}
		renamed, err := renamed(c.data, name)
		if err != nil {
			return nil, within("model_stats", -1, err)
		}
		dst = appendBytes(dst, 1, renamed)
	}
	return dst, c.err
}

// renamed returns a message whose field 1, a string, is name, in the place where it stood; other fields keep their bytes.
func renamed(message []byte, name string) ([]byte, error) {
	var dst []byte
	done := false
	c := cursor{rest: message}
	for c.next() {
		switch {
		case !c.is(1, protowire.BytesType):
			dst = append(dst, c.span...)
		case !done:
			dst, done = appendBytes(dst, 1, name), true
		}
	}
	if !done {
		dst = appendBytes(dst, 1, name)
	}
	return dst, c.err
}

// TracedModel returns the model that an encoded TraceSettingRequest names; empty: all of the server. Errors are *FieldError.
func TracedModel(data []byte) (string, error) {
	var name string
	c := cursor{rest: data}
	for c.next() {
		if c.is(2, protowire.BytesType) {
			var err error
			if name, err = new(scanner).text(c.data); err != nil {
				return "", within("model_name", -1, err)
			}
		}
	}
	return name, c.err
}

// RenameTraced returns the TraceSettingRequest for the model as a backend names it.
func RenameTraced(data []byte, model string) []byte {
	// The last occurrence of a singular field wins.
	return appendBytes(append([]byte(nil), data...), 2, model)
}

// Package config reads the gateway's configuration and says everything that is wrong with it in one run.
//
// The configuration is the proto message candor.v1.Config; YAML is its text. [Check] reads a file, [Parse] a text: both give
// the configuration with every documented default filled in, and all of its [Faults], each with file, line, column, the
// field, what is wrong and what to write instead. [Load] is Check for those who only want a configuration that works.
//
// A text goes through five stages, and a fault in one keeps the later ones from running only on the part that is wrong:
//
//  1. YAML (syntax.go). A piece that is not YAML is cut out, and the rest goes on.
//  2. Fields and types (decode.go, scalar.go): unknown keys, wrong types, unknown enum values, values given twice.
//  3. The rules written in config.proto (rules.go), by protovalidate.
//  4. Defaults (defaults.go).
//  5. What no single field can know (check*.go): that names refer to something, that a threshold's kind is the
//     confidence's, that every output has an answer.
//
// The text is a superset of what protoyaml reads, apart from enum numbers and YAML tags of the user's own: enum values
// may be written short ("enforce" for MODE_ENFORCE), durations as Go writes them ("5m"), anchors and merge keys are followed
// as long as they stay small. The tree is walked here rather than by protoyaml because the later stages need the position of
// every value, and because protoyaml gives up the message when one of its fields is wrong.
package config

// Package condition compiles the expressions of a configuration: conditions of policies, segments of promises, rules of
// ensembles. They are written in CEL (https://github.com/google/cel-spec), checked when they are compiled, and bounded in what
// they may cost. docs/conditions.md is the user's manual.
//
//   - [Compile] makes a [Program] of an expression; its [Kind] says which variables there are and which type the result has.
//   - [Vars] holds the variables of one evaluation; [Program.Bool] and [Program.Text] evaluate.
//   - [Program.Inputs] says which inputs a rule reads, so that nobody need decode the others.
//
// A program knows what it is given and nothing else: it reads no clock, no disk and no network, so the same variables give the
// same result in the gateway, in a replay and in a test.
package condition

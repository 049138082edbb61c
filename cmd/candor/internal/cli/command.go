package cli

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

// ran marks errors of a command that was started: all others are about the command line.
type ran struct{ error }

func (r ran) Unwrap() error { return r.error }

// Prepare makes a finished tree of commands fail as [Report] expects: errors before a command runs (unknown flags and
// commands, wrong arguments) become usage errors that point at the command's help.
func Prepare(root *cobra.Command) {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetHelpCommand(helpCommand(root))
	prepare(root)
}

// helpCommand is cobra's, but for a name that isn't a command: cobra's shows all of them then, and succeeds.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]...",
		Short: "Help about any command",
		RunE: func(_ *cobra.Command, args []string) error {
			found, rest, err := root.Find(args)
			if err != nil {
				found, rest = root, args
			}
			if len(rest) > 0 {
				return Usage(found.CommandPath()+" --help lists them", "unknown command %q for %q", rest[0], found.CommandPath())
			}
			return found.Help()
		},
	}
}

// parseFunction is what strconv puts before the words that say what is wrong with a number.
var parseFunction = regexp.MustCompile(`strconv\.\w+: parsing ".*": `)

// suggestionDistance is how many letters a misspelt command may be off.
const suggestionDistance = 2

func prepare(c *cobra.Command) {
	c.SuggestionsMinimumDistance = suggestionDistance
	// In the order in which they were added: a command's own before those of the connection.
	c.Flags().SortFlags, c.PersistentFlags().SortFlags = false, false
	if run := c.RunE; run != nil {
		c.RunE = func(cmd *cobra.Command, args []string) error {
			if err := run(cmd, args); err != nil {
				return ran{err}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		prepare(sub)
	}
}

// Execute runs the command line args of a prepared tree and answers its error; see [Prepare].
func Execute(root *cobra.Command, args []string) error {
	root.SetArgs(args)
	cmd, err := root.ExecuteC()
	var r ran
	switch {
	case err == nil:
		return nil
	case errors.As(err, &r):
		return r.error
	}
	// A check of the arguments may know a better remedy.
	if told := (*Error)(nil); errors.As(err, &told) {
		return told
	}
	// The first line only: cobra appends suggestions below it.
	what, suggestions, _ := strings.Cut(err.Error(), "\n")
	what = parseFunction.ReplaceAllString(what, "")
	if _, name, ok := strings.Cut(suggestions, "Did you mean this?\n\t"); ok {
		name, _, _ = strings.Cut(name, "\n")
		return Usage(fmt.Sprintf("did you mean %s %s?", cmd.CommandPath(), name), "%s", what)
	}
	return Usage(cmd.CommandPath()+" --help says how it is used", "%s", what)
}

// Group is the RunE of a command that only holds others: help, or an error about the name that isn't one of them.
func Group(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	remedy := cmd.CommandPath() + " --help lists them"
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		remedy = fmt.Sprintf("did you mean %s %s?", cmd.CommandPath(), near[0])
	}
	return Usage(remedy, "unknown command %q for %q", args[0], cmd.CommandPath())
}

// Args checks that a command got exactly the arguments of these names.
func Args(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > len(names) {
			return fmt.Errorf("unexpected argument %q", args[len(names)])
		}
		if len(args) < len(names) {
			return fmt.Errorf("%s is missing", names[len(args)])
		}
		return nil
	}
}

package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

func limitsCountCommand(f *remote.Flags) *cobra.Command {
	var amounts, keys []string
	var reason, requestID string
	c := &cobra.Command{
		Use:   "count ITEM --reason TEXT (--amount UNITS | --key VALUE)...",
		Short: "Say what a held answer's amount or key is, so that its limit can count it",
		Long: `Say what a held answer's amount or key is, so that its limit can count it. A limit holds
an answer of people that it can't count: the item is from before the limit asked for an
amount or a key, or its request had nothing that could be one. Neither a reset nor time
lets it out. candor review show says what it wants.

The answer then passes the limits with what you say, like any other, at once or when they
let it; your name and the reason stay with it. What the request had can't be changed.
Where several amounts or keys are wanted, name the source: --amount SOURCE=UNITS; and
where a value itself begins with parameter: or input: and has a "=".`,
		Example: `  candor limits count 01939d4e-6a5c-7c3f-8f57-1f0a6c3e9b11 --amount 700000 --reason "by the invoice"
  candor limits count 01939d4e-6a5c-7c3f-8f57-1f0a6c3e9b11 --amount parameter:notional=700000 \
    --key parameter:merchant=acme --reason "by the invoice"`,
		Args: cli.Args("ITEM"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(reason) == "" {
				return cli.Usage(`--reason "how you know"`, "--reason is missing")
			}
			if len(amounts)+len(keys) == 0 {
				return cli.Usage("write --amount UNITS or --key VALUE; candor review show says what is wanted", "nothing is stated")
			}
			if requestID == "" {
				requestID = uuid.NewString()
			}
			id, err := uuid.Parse(review.IDOf(args[0]))
			if err != nil {
				return cli.Usage("copy it from candor review list --state any", "%q is no review item", args[0])
			}
			name := review.Name(id.String())
			return f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
				item, err := candorv1.NewReviewServiceClient(conn).GetReviewItem(ctx, &candorv1.GetReviewItemRequest{Name: name})
				if err != nil {
					return err
				}
				inputs, err := statedInputs(item.GetItem().GetLimitWants(), amounts, keys)
				if err != nil {
					return err
				}
				resp, err := candorv1.NewLimitServiceClient(conn).StateLimitInputs(ctx, &candorv1.StateLimitInputsRequest{
					ReviewItem: name, Inputs: inputs, Reason: reason, RequestId: requestID,
				})
				if err != nil {
					return err
				}
				return writeCounted(cmd, resp.GetItem())
			})
		},
	}
	c.Flags().StringArrayVar(&amounts, "amount", nil, "the amount, in whole units; SOURCE=UNITS where several are wanted")
	c.Flags().StringArrayVar(&keys, "key", nil, "the key; SOURCE=VALUE where several are wanted")
	c.Flags().StringVar(&reason, "reason", "", "how you know (required)")
	c.Flags().StringVar(&requestID, "request-id", "", "key that makes repetitions harmless (default: a fresh one)")
	return c
}

// keySuffix ends the source of a key.
const keySuffix = " as key"

// statedInputs are the flags as what the item wants. A source that it doesn't want goes to the gateway, which knows what was stated before.
func statedInputs(wants []*candorv1.LimitWant, amounts, keys []string) ([]*candorv1.LimitInput, error) {
	var out []*candorv1.LimitInput
	for _, text := range amounts {
		source, units, err := statedFor(wants, text, false)
		if err != nil {
			return nil, err
		}
		n, err := strconv.ParseInt(units, 10, 64)
		if err != nil || n < 0 {
			return nil, cli.Usage("write whole units, 0 or more, such as 700000", "--amount %s", text)
		}
		out = append(out, &candorv1.LimitInput{Source: source, Amount: n})
	}
	for _, text := range keys {
		source, value, err := statedFor(wants, text, true)
		if err != nil {
			return nil, err
		}
		out = append(out, &candorv1.LimitInput{Source: source, Key: []byte(value)})
	}
	return out, nil
}

// statedFor takes SOURCE=VALUE apart. A value alone is of the one source that is wanted; what looks like a source is one, though nobody wants
// it: the gateway says so.
func statedFor(wants []*candorv1.LimitWant, text string, key bool) (source, value string, err error) {
	var wanted []string
	for _, w := range wants {
		if w.GetKey() != key {
			continue
		}
		name := strings.TrimSuffix(w.GetSource(), keySuffix)
		if rest, ok := strings.CutPrefix(text, name+"="); ok {
			return w.GetSource(), rest, nil
		}
		wanted = append(wanted, name)
	}
	flag, suffix := "--amount", ""
	if key {
		flag, suffix = "--key", keySuffix
	}
	switch before, after, named := strings.Cut(text, "="); {
	case named && (strings.HasPrefix(before, "parameter:") || strings.HasPrefix(before, "input:")):
		return before + suffix, after, nil
	case len(wanted) == 1:
		return wanted[0] + suffix, text, nil
	case len(wanted) == 0:
		return "", "", cli.Fail("candor review show says what is wanted; write SOURCE=VALUE to state again what was stated", "%s %s: no limit wants one for this item", flag, text)
	default:
		return "", "", cli.Usage("write SOURCE=VALUE, of "+strings.Join(wanted, ", "), "%s %s: several are wanted", flag, text)
	}
}

// writeCounted says what became of the answer.
func writeCounted(cmd *cobra.Command, i *candorv1.ReviewItem) error {
	id := review.IDOf(i.GetName())
	var err error
	switch {
	case i.GetReleaseState() == candorv1.ReleaseState_RELEASE_STATE_RELEASED:
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "counted: the answer of %s is released\n", id)
	case len(i.GetLimitWants()) > 0:
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "stated, but %s is still held: %s\n", id, cli.Plain(wantsText(i.GetLimitWants())))
	default:
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "stated: the answer of %s is held until the limits have room for it (candor limits list)\n", id)
	}
	return err
}

func wantsText(wants []*candorv1.LimitWant) string {
	var out []string
	for _, w := range wants {
		out = append(out, fmt.Sprintf("%s wants %s", shortLimit(w.GetLimit()), strings.TrimSuffix(w.GetSource(), keySuffix)))
	}
	return strings.Join(out, ", ")
}

package desk

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// given are the flags of a verdict.
type given struct {
	label, reason, note string
	value, confidence   float64
}

func (g *given) register(c *cobra.Command) {
	c.Flags().StringVar(&g.label, "label", "", "the answer, for items with labels")
	c.Flags().Float64Var(&g.value, "value", 0, "the answer, for items that ask for a value")
	c.Flags().Float64Var(&g.confidence, "confidence", 0, "how sure you are, from 0 to 1")
	c.Flags().StringVar(&g.reason, "reason", "", "why, in a few words; some queues require it")
	c.Flags().StringVar(&g.note, "note", "", "anything that who reads this later should know")
}

// verdict reads the flags. Errors are about the command line.
func (g *given) verdict(c *cobra.Command) (*candorv1.Verdict, error) {
	v := &candorv1.Verdict{Reason: g.reason, Note: g.note}
	flags := c.Flags()
	switch {
	case flags.Changed("label") == flags.Changed("value"):
		return nil, cli.Usage("candor review show ITEM says which it asks for", "give either --label or --value")
	case flags.Changed("label"):
		v.Answer = &candorv1.Verdict_Label{Label: g.label}
	case math.IsNaN(g.value) || math.IsInf(g.value, 0):
		return nil, cli.Usage("write a finite number", "--value is %v", g.value)
	default:
		v.Answer = &candorv1.Verdict_Value{Value: g.value}
	}
	if flags.Changed("confidence") {
		if !(g.confidence >= 0 && g.confidence <= 1) {
			return nil, cli.Usage("write a number from 0 to 1", "--confidence is %v", g.confidence)
		}
		v.Confidence = &g.confidence
	}
	return v, nil
}

// requestIDOf makes repetitions of one act on one claim recognisable, and another act on it a different request.
func requestIDOf(epoch uint64, act proto.Message) string {
	// What flags and lines make is text and finite numbers: it can't fail to encode.
	data, _ := proto.MarshalOptions{Deterministic: true}.Marshal(act)
	sum := sha256.Sum256(append([]byte(act.ProtoReflect().Descriptor().FullName()), data...))
	const enough = 8
	return fmt.Sprintf("cli-%d-%s", epoch, hex.EncodeToString(sum[:enough]))
}

func requestIDFlag(c *cobra.Command, id *string, otherwise string) {
	c.Flags().StringVar(id, "request-id", "", "key that makes repetitions harmless (default: "+otherwise+")")
}

// freshUnless makes a request id where none was given. An act that may be done again after its opposite (a change, an undo) can't
// have one that is made of what it says.
func freshUnless(id string) string {
	if id != "" {
		return id
	}
	return uuid.NewString()
}

func epochFlag(c *cobra.Command, epoch *uint64) {
	c.Flags().Uint64Var(epoch, "epoch", 0, "epoch of your claim; candor review claim says it (required)")
}

// claimed reads what names a claim.
func claimed(item string, epoch uint64) (name string, err error) {
	if epoch == 0 {
		return "", cli.Usage("candor review claim says it", "--epoch is missing")
	}
	return itemName(item)
}

// required refuses a blank text.
func required(flag, text, remedy string) error {
	if strings.TrimSpace(text) == "" {
		return cli.Usage(remedy, "%s is missing", flag)
	}
	return nil
}

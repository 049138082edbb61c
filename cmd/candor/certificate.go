package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"strings"

	"buf.build/go/protovalidate"
	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

const certificatePrefix = "certificates/"

// longCertificate is the resource's name, of what somebody typed or read.
func longCertificate(name string) string {
	return certificatePrefix + strings.TrimPrefix(name, certificatePrefix)
}

// certificateArg wants the name of a certificate alone.
func certificateArg(cmd *cobra.Command, args []string) error {
	if err := cli.Args("CERTIFICATE")(cmd, args); err != nil {
		return err
	}
	if protovalidate.Validate(&candorv1.GetCertificateRequest{Name: longCertificate(args[0])}) != nil {
		return cli.Usage("write one such as 3f2a9c0d11223344.1, as candor certificate list shows it", "%q is not the name of a certificate", args[0])
	}
	return nil
}

func certificateCommand() *cobra.Command {
	f := &remote.Flags{}
	c := &cobra.Command{
		Use:     "certificate",
		Aliases: []string{"certificates"},
		Short:   "Look at the evidence behind learned thresholds, and take it back",
		Long: `Look at the evidence behind learned thresholds, and take it back.

A policy that promises an error rate accepts nothing until reviewers' verdicts on rows
that a recorded coin chose have earned it a certificate. The drift alarm revokes one, and
so can an operator; either way the next version starts from nothing.`,
		Example: `  candor certificate list
  candor certificate show 3f2a9c0d11223344.1
  candor certificate revoke 3f2a9c0d11223344.1 --reason "labels of 12 May were wrong"`,
		RunE: cli.Group,
	}
	f.Register(c.PersistentFlags())
	c.AddCommand(certificateListCommand(f), certificateShowCommand(f), certificateRevokeCommand(f))
	return c
}

func certificateListCommand(f *remote.Flags) *cobra.Command {
	var asJSON, ended bool
	var model string
	c := &cobra.Command{
		Use:   "list",
		Short: "List certificates: what they license, on how much evidence",
		Long: `List certificates. THRESHOLD is the lowest confidence that is accepted now. VERDICTS and WRONG
are of the rows at or above it, or at or above the first threshold that is to be certified.
EARNED is the wealth of the next threshold in percent of what certifies it, on a logarithmic
scale; ALARM how near the drift alarm is, on the same scale. OPEN rows wait for verdicts.`,
		Example: `  candor certificate list --model fraud
  candor certificate list --ended --json`,
		Args: cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			all := &candorv1.ListCertificatesResponse{}
			const page = 1000
			req := &candorv1.ListCertificatesRequest{Model: model, IncludeEnded: ended, PageSize: page}
			err := f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
				for {
					resp, err := candorv1.NewCertificateServiceClient(conn).ListCertificates(ctx, req)
					if err != nil {
						return err
					}
					all.Certificates = append(all.Certificates, resp.GetCertificates()...)
					if req.PageToken = resp.GetNextPageToken(); req.PageToken == "" {
						return nil
					}
				}
			})
			if err != nil {
				return err
			}
			if asJSON {
				return cli.JSON(cmd.OutOrStdout(), all)
			}
			if len(all.GetCertificates()) == 0 {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), noCertificates(model))
				return err
			}
			table := [][]string{{"CERTIFICATE", "MODEL", "STAGE", "SEGMENT", "STATUS", "THRESHOLD", "PROMISED", "VERDICTS", "WRONG", "EARNED", "ALARM", "OPEN", "SINCE"}}
			for _, ct := range all.GetCertificates() {
				table = append(table, certificateCells(ct))
			}
			return cli.Table(cmd.OutOrStdout(), table)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	c.Flags().BoolVar(&ended, "ended", false, "those that were revoked or superseded too")
	c.Flags().StringVar(&model, "model", "", "only this model's")
	return c
}

// noCertificates says why there are none, of a model or of all.
func noCertificates(model string) string {
	if model != "" {
		return fmt.Sprintf("there is no certificate of a model %q; candor certificate list shows all", model)
	}
	return "no policy promises an error rate; accept.promise does"
}

func certificateCells(c *candorv1.Certificate) []string {
	k := c.GetKey()
	threshold, verdicts, wrong, earned := "none", "", "", ""
	if c.Threshold != nil {
		threshold = fmt.Sprintf("%.4g", c.GetThreshold())
	}
	if l := levelOf(c); l != nil {
		verdicts, wrong = fmt.Sprint(l.GetLabels()), fmt.Sprint(l.GetErrors())
	}
	if l := nextLevel(c); l != nil {
		earned = logPercent(l.GetWealth(), 1/c.GetDelta())
	}
	if c.GetStatus() == candorv1.CertificateStatus_CERTIFICATE_STATUS_BURN_IN {
		earned = fmt.Sprintf("%d/%d rows", c.GetBurnInRows(), k.GetGrid().GetBurnIn())
	}
	since := c.GetOpenTime()
	if c.GetCertifyTime() != nil {
		since = c.GetCertifyTime()
	}
	if c.GetEndTime() != nil {
		since = c.GetEndTime()
	}
	return []string{
		strings.TrimPrefix(c.GetName(), certificatePrefix), k.GetModel(), strings.TrimSpace(k.GetStage() + "@" + k.GetStageVersion() + " " + k.GetField()), all(k.GetSegment()),
		cli.Enum(c.GetStatus()), threshold, fmt.Sprintf("<= %.4g", k.GetAlpha()), verdicts, wrong, earned,
		logPercent(c.GetAlarm(), k.GetAlarmRunLength()), fmt.Sprint(c.GetUnitsOpen()), cli.Time(since.AsTime()),
	}
}

// levelOf is the level that is licensed, or the first that is to be; nil: the grid isn't frozen.
func levelOf(c *candorv1.Certificate) *candorv1.CertificateLevel {
	var at *candorv1.CertificateLevel
	for _, l := range c.GetLevels() {
		if at == nil || l.GetCertified() {
			at = l
		}
	}
	return at
}

// nextLevel is the first that is not certified; nil: all are, or the grid isn't frozen.
func nextLevel(c *candorv1.Certificate) *candorv1.CertificateLevel {
	for _, l := range c.GetLevels() {
		if !l.GetCertified() {
			return l
		}
	}
	return nil
}

func certificateShowCommand(f *remote.Flags) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "show CERTIFICATE",
		Short:   "What is promised, on what evidence, and what it costs",
		Example: `  candor certificate show 3f2a9c0d11223344.1`,
		Args:    certificateArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
				resp, err := candorv1.NewCertificateServiceClient(conn).GetCertificate(ctx, &candorv1.GetCertificateRequest{
					Name: longCertificate(args[0]),
				})
				if err != nil {
					return err
				}
				if asJSON {
					return cli.JSON(cmd.OutOrStdout(), resp)
				}
				return showCertificate(cmd.OutOrStdout(), resp.GetCertificate())
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return c
}

func showCertificate(w io.Writer, c *candorv1.Certificate) error {
	k := c.GetKey()
	facts := [][]string{
		{"certificate", strings.TrimPrefix(c.GetName(), certificatePrefix)},
		{"of", fmt.Sprintf("%s, stage %s version %s, %s", k.GetModel(), k.GetStage(), k.GetStageVersion(), segmentText(k.GetSegment())) + fieldText(k.GetField())},
		{"status", strings.ToLower(cli.Enum(c.GetStatus()))},
		{"opened", cli.Time(c.GetOpenTime().AsTime())},
	}
	if c.GetEndTime() != nil {
		facts = append(facts, []string{"ended", cli.Time(c.GetEndTime().AsTime()) + " by " + cli.Plain(c.GetEndedBy()) + ": " + cli.Plain(c.GetEndedReason())})
	}
	if err := cli.Table(w, facts); err != nil {
		return err
	}
	for _, line := range c.GetPromise() {
		if _, err := fmt.Fprintf(w, "\n%s\n", line); err != nil {
			return err
		}
	}
	if len(c.GetLevels()) == 0 {
		return nil
	}
	table := [][]string{{"THRESHOLD", "VERDICTS", "WRONG", "UNJUDGED", "WEALTH", "EARNED", ""}}
	for _, l := range c.GetLevels() {
		certified := ""
		if l.GetCertified() {
			certified = "certified"
		}
		table = append(table, []string{
			fmt.Sprintf("%.6g", l.GetThreshold()), fmt.Sprint(l.GetLabels()), fmt.Sprint(l.GetErrors()), fmt.Sprint(l.GetMissing()),
			fmt.Sprintf("%.3g", l.GetWealth()), logPercent(l.GetWealth(), 1/c.GetDelta()), certified,
		})
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return cli.Table(w, table)
}

// fieldText says which field of the answers is measured; empty: the model has one.
func fieldText(field string) string {
	if field == "" {
		return ""
	}
	return ", field " + field
}

func segmentText(segment string) string {
	if segment == "" {
		return "all rows"
	}
	return "segment " + segment
}

func certificateRevokeCommand(f *remote.Flags) *cobra.Command {
	var reason, requestID string
	c := &cobra.Command{
		Use:   "revoke CERTIFICATE --reason TEXT",
		Short: "Take a certificate back: nothing is accepted on it any more",
		Long: `Take a certificate back. From now on its stage accepts nothing, until the next version, which
starts from nothing with a smaller share of delta, has earned its own evidence. You need an
operator's token with the role operator; your name and the reason go into the decision log.`,
		Example: `  candor certificate revoke 3f2a9c0d11223344.1 --reason "labels of 12 May were wrong"`,
		Args:    certificateArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(reason) == "" {
				return cli.Usage(`--reason "why nothing may be accepted on it"`, "--reason is missing")
			}
			if requestID == "" {
				requestID = uuid.NewString()
			}
			return f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
				resp, err := candorv1.NewCertificateServiceClient(conn).RevokeCertificate(ctx, &candorv1.RevokeCertificateRequest{
					Name: longCertificate(args[0]), Reason: reason, RequestId: requestID,
				})
				if err != nil {
					return err
				}
				ct := resp.GetCertificate()
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "revoked %s by %s; stage %s of %s accepts nothing until its next version is certified\n",
					strings.TrimPrefix(ct.GetName(), certificatePrefix), cli.Plain(ct.GetEndedBy()), ct.GetKey().GetStage(), ct.GetKey().GetModel())
				return err
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why (required)")
	c.Flags().StringVar(&requestID, "request-id", "", "key that makes repetitions harmless (default: a fresh one)")
	return c
}

// logPercent is how far a product of factors that starts at 1 has come towards its bound, in percent of the logarithm.
func logPercent(value, bound float64) string {
	if !(value > 1) || !(bound > 1) {
		return "0 %"
	}
	return fmt.Sprintf("%.0f %%", 100*math.Min(1, math.Log(value)/math.Log(bound)))
}

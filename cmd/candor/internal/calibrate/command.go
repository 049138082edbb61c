package calibrate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/calibration"
	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	"github.com/candor-gateway/candor/cmd/candor/internal/server"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// flags of candor calibrate.
type flags struct {
	config, backend           string
	data, labels, replay      string
	method, artefact          string
	name, out                 string
	store, certify            bool
	alpha, delta, testShare   float64
	confidence, certificateAs string
	seed                      uint64
	asJSON                    bool
	picture                   string
	remote                    remote.Flags
}

// none is the method that fits nothing.
const none = "none"

// Command is candor calibrate.
func Command() *cobra.Command {
	f := &flags{}
	c := &cobra.Command{
		Use:   "calibrate --config FILE --backend NAME --data FILE",
		Short: "Fit a calibrator to held-out rows, certify a threshold, store both",
		Long: `Fit a calibrator of a backend's probabilities to rows that the model was not trained on,
say how good the probabilities are before and after, and store the calibrator as
name@version, which the configuration names under backends.NAME.calibrator.

The rows are scores as the model gives them (the card says of what kind) with the true
label, in one of these forms:
  .csv    a header; column label, and a column for each label, called as it or p:LABEL,
          or a column score: the number of the second of two labels; id is allowed
  .jsonl  {"scores": [0.9, 0.1], "label": "x"} on each line
  .npz    arrays scores [rows, labels] of floats, and labels [rows]: text or integers
  .npy    scores; --labels names the file of the labels
Integers are the labels' own text where all labels are whole numbers, else indices from 0.
--replay takes inputs instead, {"inputs": {"image": [...]}, "label": "3"} on each line, and
asks the model server about them.

Without --certify the calibrator is fitted on all rows, and judged by cross-validation.
With it, a part of the rows (--test-share, drawn by --seed) is kept apart: nothing is fitted
on it, and the fixed-sequence test with the exact binomial finds the lowest threshold at
which, with probability 1-delta, at most alpha of the accepted rows are wrong. The result
is stored as an artefact of its own, for promise.held_out. The exit status is 1 when no
threshold passes. Choose method and seed before you look: to try others on the same rows
until one passes breaks the promise.

--store writes into the store of the configuration while no gateway serves from it, and
otherwise asks the gateway, as an operator.`,
		Example: `  candor calibrate --config candor.yaml --backend linear --data held-out.csv --name linear-t --store
  candor calibrate --config candor.yaml --backend linear --data held-out.npz --method isotonic --picture linear.svg
  candor calibrate --config candor.yaml --backend linear --replay held-out.jsonl --certify --alpha 0.05 --delta 0.05`,
		Args: cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return f.run(ctx, cmd)
		},
	}
	fs := c.Flags()
	fs.StringVar(&f.config, "config", "", "configuration file (required)")
	fs.StringVar(&f.backend, "backend", "", "backend whose model the rows are of (required)")
	fs.StringVar(&f.data, "data", "", "held-out rows: .csv, .jsonl, .npz or .npy")
	fs.StringVar(&f.labels, "labels", "", "labels for a .npy file")
	fs.StringVar(&f.replay, "replay", "", "held-out inputs, .jsonl: ask the model server about them")
	fs.StringVar(&f.method, "method", string(calibration.MethodTemperature), "temperature, platt, isotonic, beta, venn-abers, or none: only judge and certify")
	fs.StringVar(&f.artefact, "artefact", "", "judge or certify with this calibrator, a file of --out, and fit none")
	fs.StringVar(&f.name, "name", "", "name of the artefact (default: the backend's and the method's)")
	fs.StringVar(&f.out, "out", "", "write the calibrator to this file as JSON; with --method none, the certificate")
	fs.BoolVar(&f.store, "store", false, "store what was made")
	fs.BoolVar(&f.certify, "certify", false, "certify a threshold on rows kept apart")
	fs.Float64Var(&f.alpha, "alpha", 0.05, "error rate of accepted rows to certify")
	fs.Float64Var(&f.delta, "delta", 0.05, "probability with which the certificate may be wrong")
	fs.Float64Var(&f.testShare, "test-share", 0.5, "share of the rows that --certify keeps apart")
	fs.Uint64Var(&f.seed, "seed", 1, "seed of the split and of cross-validation")
	fs.StringVar(&f.confidence, "confidence", "max_prob", "confidence to certify: max_prob, margin or entropy, as the policy says")
	fs.StringVar(&f.certificateAs, "certificate-name", "", "name of the certificate (default: the name with -held-out)")
	fs.BoolVar(&f.asJSON, "json", false, "write JSON")
	fs.StringVar(&f.picture, "picture", "", "write reliability, risk and coverage to this .svg")
	f.remote.Register(fs)
	return c
}

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

func (f *flags) check() (order, error) {
	o := order{certify: f.certify, alpha: f.alpha, delta: f.delta, share: f.testShare, seed: f.seed}
	switch {
	case f.config == "" || f.backend == "":
		return o, cli.Usage("candor calibrate --config candor.yaml --backend NAME --data FILE", "--config or --backend is missing")
	case (f.data == "") == (f.replay == ""):
		return o, cli.Usage("name rows by --data, or inputs by --replay", "one of --data and --replay is needed")
	case f.method != none && !slices.Contains(calibration.Methods(), calibration.Method(f.method)):
		return o, cli.Usage(fmt.Sprintf("use one of %s, none", join(calibration.Methods())), "--method: %q is no method", f.method)
	case f.method == none && f.artefact == "" && !f.certify && (f.store || f.out != ""):
		return o, cli.Usage("add --certify, or a --method", "--method none makes nothing to store")
	case !(f.alpha > 0 && f.alpha < 1) || !(f.delta > 0 && f.delta < 1) || !(f.testShare > 0 && f.testShare < 1):
		return o, cli.Usage("write numbers such as 0.05", "--alpha, --delta and --test-share are above 0 and below 1")
	}
	confidence, err := cli.ParseEnum[candorv1.ConfidenceMethod](f.confidence)
	if err != nil || !slices.Contains([]candorv1.ConfidenceMethod{candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB,
		candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MARGIN, candorv1.ConfidenceMethod_CONFIDENCE_METHOD_ENTROPY}, confidence) {
		return o, cli.Usage("use max_prob, margin or entropy", "--confidence: %q can't be certified from a file", f.confidence)
	}
	o.confidence = confidence
	if f.method != none {
		o.method = calibration.Method(f.method)
	}
	if f.name == "" {
		f.name = f.backend + "-" + f.method
	}
	if f.certificateAs == "" {
		f.certificateAs = f.name + "-held-out"
	}
	for _, name := range []string{f.name, f.certificateAs} {
		if !namePattern.MatchString(name) {
			return o, cli.Usage("use lower-case letters, digits, . _ and -, at most 63", "--name: %q can't be the name of an artefact", name)
		}
	}
	return o, nil
}

func (f *flags) run(ctx context.Context, cmd *cobra.Command) error {
	o, err := f.check()
	if err != nil {
		return err
	}
	cfg, err := server.Load(f.config, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	s, err := subjectOf(cfg, f.backend)
	if err != nil {
		return err
	}
	rows, data, err := f.read(ctx, s, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	sample, err := s.sample(data.GetSource(), rows)
	if err != nil {
		return err
	}
	if f.artefact != "" {
		if o.given, err = f.given(s, data); err != nil {
			return err
		}
	}
	if o.method == "" && o.given == nil && !o.certify {
		return f.finish(cmd, &report{subject: s, data: data, order: o, outcome: &outcome{tested: len(rows), before: calibration.Measure(sample)}})
	}
	out, err := work(sample, s.scope, o)
	if err != nil {
		return refuse(data.GetSource(), rows, err)
	}
	r := &report{subject: s, data: data, order: o, outcome: out}
	all := f.artefacts(r)
	if f.out != "" && len(all) > 0 {
		if err := writeArtefact(f.out, all[0]); err != nil {
			return err
		}
	}
	if f.store && len(all) > 0 {
		if r.stored, r.storedIn, err = store(ctx, cfg, &f.remote, cmd.Flags().Changed("server"), all); err != nil {
			return err
		}
	}
	return f.finish(cmd, r)
}

// read answers the rows and what they are called.
func (f *flags) read(ctx context.Context, s *subject, progress io.Writer) ([]raw, *candorv1.DataSet, error) {
	file := f.data + f.replay
	data, digest, err := load(file)
	if err != nil {
		return nil, nil, err
	}
	if digest == s.config.GetCard().GetTrainingSha256() {
		return nil, nil, wrong(file, "", "use rows that the model has never seen", "its sha256 is the card's training_sha256: the model was trained on it")
	}
	set := &candorv1.DataSet{Sha256: digest, Source: filepath.Base(file)}
	var rows []raw
	if f.replay != "" {
		rows, set.Sha256, err = s.replay(ctx, file, data, bar(progress))
	} else {
		var labelData []byte
		if f.labels != "" {
			if labelData, _, err = load(f.labels); err != nil {
				return nil, nil, err
			}
		}
		rows, err = readRows(file, data, f.labels, labelData, s.scope.GetLabels())
	}
	if err != nil {
		return nil, nil, err
	}
	set.Rows = uint64(len(rows))
	return rows, set, nil
}

// load reads a file and its digest.
func load(file string) ([]byte, string, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, "", cli.Fail("name a file that is there", "%w", err)
	}
	if info.Size() > maxFile {
		return nil, "", wrong(file, "", "take fewer rows; some ten thousand are plenty", "it has %d bytes, more than %d", info.Size(), maxFile)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, "", cli.Fail("name a file that you may read", "%w", err)
	}
	sum := sha256.Sum256(data)
	return data, hex.EncodeToString(sum[:]), nil
}

// given reads --artefact, and refuses one that is for something else, or was fitted on these rows.
func (f *flags) given(s *subject, data *candorv1.DataSet) (*candorv1.Artefact, error) {
	a, err := readArtefact(f.artefact)
	if err != nil {
		return nil, err
	}
	if _, err := calibration.New(a); err != nil {
		return nil, cli.Fail("name a calibrator", "--artefact: %w", err)
	}
	if err := calibration.Suits(a.GetName(), a.GetScope(), s.scope); err != nil {
		return nil, cli.Fail("", "--artefact: %w", err)
	}
	if a.GetData().GetSha256() == data.GetSha256() {
		return nil, cli.Fail("use other rows, or fit with --certify, which keeps a part of them apart", "--artefact: %s was fitted on these very rows", a.GetName())
	}
	return a, nil
}

// artefacts are what was made.
func (f *flags) artefacts(r *report) []*candorv1.Artefact {
	var all []*candorv1.Artefact
	if a := r.outcome.calibrator; a != nil && r.order.given == nil {
		a.Name, a.Data = f.name, r.data
		all = append(all, a)
	}
	if c := r.outcome.certificate; c != nil && c.Threshold != nil {
		all = append(all, &candorv1.Artefact{
			Name: f.certificateAs, Scope: r.subject.scope, Data: r.data, Body: &candorv1.Artefact_HeldOut{HeldOut: c},
		})
	}
	return all
}

// finish writes the picture and the report.
func (f *flags) finish(cmd *cobra.Command, r *report) (err error) {
	if f.picture != "" {
		file, err := os.Create(f.picture)
		if err != nil {
			return cli.Fail("name a file that you may write", "--picture: %w", err)
		}
		title := fmt.Sprintf("%s %s, %s", r.subject.scope.GetModel(), r.subject.scope.GetVersion(), cli.Count(r.outcome.tested, "row"))
		if r.outcome.calibrator != nil {
			title += ", " + describe(r.outcome.calibrator)
		}
		if err := errors.Join(svg(file, title, r.outcome.before, r.outcome.after, r.outcome.certificate), file.Close()); err != nil {
			return err
		}
	}
	if f.asJSON {
		err = r.writeJSON(cmd.OutOrStdout())
	} else {
		err = r.writeText(cmd.OutOrStdout())
	}
	if c := r.outcome.certificate; err == nil && c != nil && c.Threshold == nil {
		return cli.Told(cli.StatusFailed)
	}
	return err
}

// refuse puts the error of a sample into the words of its file.
func refuse(file string, rows []raw, err error) error {
	var bad *calibration.SampleError
	if errors.As(err, &bad) && bad.Row >= 0 && bad.Row < len(rows) {
		return wrong(file, rows[bad.Row].place, "", "%s", bad.Problem)
	}
	return wrong(file, "", "", "%v", err)
}

func join(methods []calibration.Method) string {
	text := ""
	for i, m := range methods {
		if i > 0 {
			text += ", "
		}
		text += string(m)
	}
	return text
}

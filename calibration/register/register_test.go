package register_test

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/calibration/certificate"
	"github.com/candor-gateway/candor/calibration/register"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

const now = int64(1_000_000)

// memory is a store that keeps one encoded state for each version, as a table would.
type memory struct {
	rows  []row
	units map[string]map[uint64]*unit
	told  []*candorv1.CertificateRecord
}

type row struct {
	digest, upstream string
	version          uint32
	data             []byte
	ended            bool
}

type unit struct {
	certificate.Unit
	open int64
}

func (m *memory) find(matches func(*row) bool) (out []register.Kept, err error) {
	for i := range m.rows {
		if r := &m.rows[i]; !r.ended && matches(r) {
			state, err := register.Decode(r.data)
			if err != nil {
				return nil, err
			}
			out = append(out, register.Kept{CertificateState: state, Digest: r.digest, Upstream: r.upstream})
		}
	}
	return out, nil
}

func (m *memory) InForce(digest string) (register.Kept, bool, error) {
	found, err := m.find(func(r *row) bool { return r.digest == digest })
	if err != nil || len(found) == 0 {
		return register.Kept{}, false, err
	}
	return found[0], true, nil
}

func (m *memory) Behind(digest string) ([]register.Kept, error) {
	return m.find(func(r *row) bool { return r.upstream == digest })
}

func (m *memory) LastVersion(digest string) (last uint32, err error) {
	for _, r := range m.rows {
		if r.digest == digest {
			last = max(last, r.version)
		}
	}
	return last, nil
}

func (m *memory) Add(k register.Kept, data []byte) error {
	m.rows = append(m.rows, row{k.Digest, k.Upstream, k.GetVersion(), data, false})
	return nil
}

func (m *memory) Update(k register.Kept, data []byte, ended bool) error {
	for i := range m.rows {
		if r := &m.rows[i]; r.digest == k.Digest && r.version == k.GetVersion() {
			r.data, r.ended = data, ended
		}
	}
	if ended {
		delete(m.units, k.ID())
	}
	return nil
}

func (m *memory) Append(rec *candorv1.Record) error {
	m.told = append(m.told, rec.GetCertificate())
	return nil
}

func (m *memory) Unit(id string, number uint64) (certificate.Unit, int64, int64, error) {
	if u := m.units[id][number]; u != nil {
		return certificate.Unit{Number: number, Least: u.Least}, now, u.open, nil
	}
	return certificate.Unit{Number: number}, 0, 0, nil
}

func (m *memory) Rows(id string, number uint64) ([]certificate.Row, error) {
	return m.units[id][number].Rows, nil
}

func (m *memory) DropUnit(id string, number uint64) error {
	delete(m.units[id], number)
	return nil
}

// events are what the log was told, one word each.
func (m *memory) events() string {
	var out []string
	for _, r := range m.told {
		out = append(out, strings.TrimPrefix(r.GetEvent().String(), "CERTIFICATE_EVENT_"))
	}
	m.told = nil
	return strings.Join(out, " ")
}

// draw adds a unit of one row.
func (m *memory) draw(t *testing.T, digest string, open int64, r certificate.Row) register.Kept {
	t.Helper()
	k, ok, err := m.InForce(digest)
	if err != nil || !ok {
		t.Fatalf("%s is not in force: %v", digest, err)
	}
	entered := 0
	number, counts, refused, err := register.Draw(m, k, 1, []certificate.Row{r}, now, func() error { entered++; return nil })
	if err != nil || refused != nil || !counts || entered != 1 {
		t.Fatalf("draw: counts %v, entered %d times, refused %v, %v", counts, entered, refused, err)
	}
	if m.units[k.ID()] == nil {
		m.units[k.ID()] = map[uint64]*unit{}
	}
	m.units[k.ID()][number] = &unit{certificate.Unit{Number: number, Least: 1, Rows: []certificate.Row{r}}, open}
	return k
}

func key(model string) *candorv1.CertificateKey {
	return &candorv1.CertificateKey{
		Model: model, Stage: "s", Alpha: .5, Delta: .5, MaxRows: 1, AlarmRunLength: 10,
		Grid: &candorv1.ThresholdGrid{Levels: []float64{.5}},
	}
}

// cascade opens a and, behind it, b and c in a row.
func cascade(t *testing.T) (*memory, []string) {
	t.Helper()
	m := &memory{units: map[string]map[uint64]*unit{}}
	openings := []certificate.Opening{
		{Key: key("c"), Upstream: certificate.Digest(key("b"))}, {Key: key("b"), Upstream: certificate.Digest(key("a"))}, {Key: key("a")},
	}
	o, err := register.NewOpener(openings)
	if err != nil {
		t.Fatal(err)
	}
	states, err := o.Open(m, now)
	if err != nil || len(states) != 3 || states[0].GetKey().GetModel() != "c" {
		t.Fatalf("opened %v: %v", states, err)
	}
	if got := m.events(); got != "OPENED OPENED OPENED" {
		t.Fatalf("opening three tells %q", got)
	}
	if _, err := o.Open(m, now); err != nil || m.events() != "" {
		t.Fatalf("opening them again changes something: %v", err)
	}
	return m, []string{certificate.Digest(key("a")), certificate.Digest(key("b")), certificate.Digest(key("c"))}
}

// Units are taken in strictly in order: a complete one waits for one that is open before it. What is certified then begins the
// tiers behind it anew.
func TestConsumeKeepsTheOrder(t *testing.T) {
	m, digests := cascade(t)
	right := certificate.Row{Confidence: .9, Propensity: 1}
	k := m.draw(t, digests[0], 1, right)
	first := k.GetNextConsumed()
	for range 20 {
		k = m.draw(t, digests[0], 0, right)
	}
	if refused, err := register.Consume(m, k, now); err != nil || refused != nil {
		t.Fatal(refused, err)
	}
	if k, _, _ = m.InForce(digests[0]); k.GetUnitsConsumed() != 0 || k.GetOldestOpenUs() == 0 {
		t.Fatalf("%d units were taken in before the first was complete", k.GetUnitsConsumed())
	}
	m.units[k.ID()][first].open = 0
	if refused, err := register.Consume(m, k, now); err != nil || refused != nil {
		t.Fatal(refused, err)
	}
	k, _, _ = m.InForce(digests[0])
	if k.Threshold() == nil || k.GetUnitsConsumed() != 21 || len(m.units[k.ID()]) != 0 {
		t.Fatalf("%d units were taken in, %d are left, licensed is %v", k.GetUnitsConsumed(), len(m.units[k.ID()]), k.Threshold())
	}
	if got, want := m.events(), "CERTIFIED SUPERSEDED OPENED SUPERSEDED OPENED"; got != want {
		t.Errorf("the log was told %q, want %q", got, want)
	}
	if b, _, _ := m.InForce(digests[1]); b.GetVersion() != 2 || b.UpstreamThreshold == nil || *b.UpstreamThreshold != .5 {
		t.Errorf("the tier behind is version %d under %v", b.GetVersion(), b.UpstreamThreshold)
	}
}

func TestRevokeBeginsAnew(t *testing.T) {
	m, digests := cascade(t)
	k, ok, err := register.InForceID(m, digests[1]+".1")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if err := register.Revoke(m, k, register.Word{By: "ann", Reason: "drift", Remote: "192.0.2.7"}, now); err != nil {
		t.Fatal(err)
	}
	if r := m.told[0]; r.GetBy() != "ann" || r.GetReason() != "drift" || r.GetRemote() != "192.0.2.7" || r.GetCertificate() != digests[1]+".1" {
		t.Errorf("the log was told %v", r)
	}
	// A first version may have been started by a held-out file, of which the store knows nothing.
	if got, want := m.events(), "REVOKED OPENED SUPERSEDED OPENED"; got != want {
		t.Errorf("the log was told %q, want %q", got, want)
	}
	if _, ok, _ := register.InForceID(m, digests[1]+".1"); ok {
		t.Error("what was revoked is in force")
	}
	k, _, _ = m.InForce(digests[1])
	if err := register.Revoke(m, k, register.Word{By: "ann", Reason: "again"}, now); err != nil {
		t.Fatal(err)
	}
	if got, want := m.events(), "REVOKED OPENED"; got != want {
		t.Errorf("a second version that licensed nothing tells %q, want %q", got, want)
	}
	if _, ok, err := register.InForceID(m, "no id"); ok || err != nil {
		t.Errorf("what is no id is in force: %v, %v", ok, err)
	}
}

func TestOpenerRefuses(t *testing.T) {
	a, b := certificate.Digest(key("a")), certificate.Digest(key("b"))
	if _, err := register.NewOpener([]certificate.Opening{{Key: key("c"), Upstream: a}, {Key: key("c"), Upstream: b}}); err == nil {
		t.Error("a key stands behind two tiers")
	}
	o, err := register.NewOpener([]certificate.Opening{{Key: key("a"), Upstream: b}, {Key: key("b"), Upstream: a}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.Open(&memory{}, now); err == nil || !strings.Contains(err.Error(), "ring") {
		t.Errorf("tiers in a ring: %v", err)
	}
	if !slices.Equal(o.Digests(), []string{a, b}) {
		t.Errorf("digests are %v", o.Digests())
	}
}

// Another tier before it, and the rows that reach a certificate are others.
func TestOpenSupersedesWhatOtherRowsReach(t *testing.T) {
	m, digests := cascade(t)
	o, err := register.NewOpener([]certificate.Opening{{Key: proto.CloneOf(key("b"))}})
	if err != nil {
		t.Fatal(err)
	}
	states, err := o.Open(m, now)
	if err != nil || states[0].GetVersion() != 2 {
		t.Fatalf("opened %v: %v", states, err)
	}
	if got, want := m.events(), "SUPERSEDED OPENED SUPERSEDED OPENED"; got != want {
		t.Errorf("the log was told %q, want %q", got, want)
	}
	if k, _, _ := m.InForce(digests[1]); k.Upstream != "" {
		t.Errorf("it stands behind %q", k.Upstream)
	}
}

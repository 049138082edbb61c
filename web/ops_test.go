package web_test

import (
	"context"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
	"github.com/candor-gateway/candor/web"
)

// plant is the services of operation, as a test writes them.
type plant struct {
	candorv1.UnimplementedExplainServiceServer
	candorv1.UnimplementedCertificateServiceServer
	candorv1.UnimplementedLimitServiceServer
	backends     []*candorv1.BackendStatus
	config       *candorv1.GetConfigurationResponse
	monitors     []*candorv1.MonitorStatus
	certificates []*candorv1.Certificate
	limit        *candorv1.Limit
	people       *candorv1.GetReviewStatisticsResponse
	// uncounted is what a summary is refused with; nil: nothing.
	uncounted error
	refuse    error
	summaries int
	resets    []*candorv1.ResetLimitRequest
	confirms  []*candorv1.ConfirmLimitResetRequest
	stops     []*candorv1.StopActionRequest
	acks      []*candorv1.AcknowledgeLimitRequest
}

func (p *plant) ListBackends(context.Context, *candorv1.ListBackendsRequest) (*candorv1.ListBackendsResponse, error) {
	return &candorv1.ListBackendsResponse{Backends: p.backends}, nil
}

func (p *plant) GetConfiguration(context.Context, *candorv1.GetConfigurationRequest) (*candorv1.GetConfigurationResponse, error) {
	return p.config, nil
}

func (p *plant) ListMonitors(_ context.Context, in *candorv1.ListMonitorsRequest) (*candorv1.ListMonitorsResponse, error) {
	if in.GetModel() == "nosuch" {
		return nil, refusal(codes.NotFound, "MODEL_NOT_FOUND", "there is no model")
	}
	return &candorv1.ListMonitorsResponse{Monitors: p.monitors}, nil
}

// SummarizeDecisions has 3 accepts and 1 deferral in each span, and 5 accepts in each before.
func (p *plant) SummarizeDecisions(_ context.Context, in *candorv1.SummarizeDecisionsRequest) (*candorv1.SummarizeDecisionsResponse, error) {
	p.summaries++
	if p.uncounted != nil {
		return nil, p.uncounted
	}
	if p.backends == nil {
		return &candorv1.SummarizeDecisionsResponse{}, nil
	}
	if in.GetBy()[0] == candorv1.GroupBy_GROUP_BY_REASON {
		return &candorv1.SummarizeDecisionsResponse{Total: 4, TotalBefore: 5, Groups: []*candorv1.SummarizeDecisionsResponse_Group{
			{Keys: []string{"LOW_CONFIDENCE"}, Count: 1, CountBefore: 2},
		}}, nil
	}
	return &candorv1.SummarizeDecisionsResponse{Total: 4, TotalBefore: 5, Groups: []*candorv1.SummarizeDecisionsResponse_Group{
		{Keys: []string{"spam", "ACCEPT"}, Count: 3, CountBefore: 5}, {Keys: []string{"spam", "DEFER"}, Count: 1},
	}}, nil
}

func (p *plant) ListCertificates(context.Context, *candorv1.ListCertificatesRequest) (*candorv1.ListCertificatesResponse, error) {
	return &candorv1.ListCertificatesResponse{Certificates: p.certificates}, nil
}

func (p *plant) ListLimits(context.Context, *candorv1.ListLimitsRequest) (*candorv1.ListLimitsResponse, error) {
	if p.limit == nil {
		return &candorv1.ListLimitsResponse{}, nil
	}
	return &candorv1.ListLimitsResponse{Limits: []*candorv1.Limit{p.limit}}, nil
}

func (p *plant) ResetLimit(_ context.Context, in *candorv1.ResetLimitRequest) (*candorv1.ResetLimitResponse, error) {
	p.resets = append(p.resets, in)
	return &candorv1.ResetLimitResponse{Limit: p.limit}, p.refuse
}

func (p *plant) GetLimit(context.Context, *candorv1.GetLimitRequest) (*candorv1.GetLimitResponse, error) {
	return &candorv1.GetLimitResponse{Limit: p.limit}, nil
}

func (p *plant) ListLimitEvents(context.Context, *candorv1.ListLimitEventsRequest) (*candorv1.ListLimitEventsResponse, error) {
	return &candorv1.ListLimitEventsResponse{NextPageToken: "7", Events: []*candorv1.LimitHistory{
		{Time: timestamppb.Now(), Event: candorv1.LimitEvent_LIMIT_EVENT_RESET, By: "root", AskedBy: "olga", Reason: hostile, ProbationShare: 0.5, ProbationEndTime: timestamppb.Now()},
		{Time: timestamppb.Now(), Event: candorv1.LimitEvent_LIMIT_EVENT_TRIPPED, Count: 160, MaxCount: 160},
	}}, nil
}

func (p *plant) ConfirmLimitReset(_ context.Context, in *candorv1.ConfirmLimitResetRequest) (*candorv1.ConfirmLimitResetResponse, error) {
	p.confirms = append(p.confirms, in)
	return &candorv1.ConfirmLimitResetResponse{Limit: p.limit}, p.refuse
}

func (p *plant) StopAction(_ context.Context, in *candorv1.StopActionRequest) (*candorv1.StopActionResponse, error) {
	p.stops = append(p.stops, in)
	return &candorv1.StopActionResponse{Limit: &candorv1.Limit{Name: "limits/stop:action:pay"}}, p.refuse
}

func (p *plant) AcknowledgeLimit(_ context.Context, in *candorv1.AcknowledgeLimitRequest) (*candorv1.AcknowledgeLimitResponse, error) {
	p.acks = append(p.acks, in)
	return &candorv1.AcknowledgeLimitResponse{Limit: p.limit}, p.refuse
}

// staff is a review service that has nothing but an account of people's work.
type staff struct {
	candorv1.UnimplementedReviewServiceServer
	plant *plant
}

func (s staff) GetReviewStatistics(context.Context, *candorv1.GetReviewStatisticsRequest) (*candorv1.GetReviewStatisticsResponse, error) {
	return s.plant.people, nil
}

const hostile = `<script>alert(1)</script>`

func newPlant() *plant {
	now := time.Now()
	return &plant{
		backends: []*candorv1.BackendStatus{{
			Name: "net", Model: "spam", Version: "3", Breaker: candorv1.BreakerState_BREAKER_STATE_OPEN, Owner: "team " + hostile,
			CreateTime: timestamppb.New(now.Add(-400 * 24 * time.Hour)), Calls: 40, Failures: 10, LastFailure: hostile,
			Panicking: true, BreakerTime: timestamppb.New(now), LastFailureTime: timestamppb.New(now), UsualTime: durationpb.New(12345 * time.Microsecond),
			InFlight: 3, Limit: 5, MaxInFlight: 256, LimitMeasured: true, Queued: 1, Waited: 30, ShedLow: 4, ShedNormal: 5, ShedHigh: 6, Refused: 7,
			Retries: 8, RetriesRefused: 2, RetryBudgetLeft: 3, HedgePercentile: proto.Float64(0.95), HedgeDelay: durationpb.New(50 * time.Millisecond), Hedges: 9, HedgesWon: 4,
			Events: []*candorv1.BackendEvent{
				{Time: timestamppb.New(now), Kind: candorv1.BackendEventKind_BACKEND_EVENT_KIND_BREAKER_OPENED, Why: "down " + hostile},
				{Time: timestamppb.New(now), Kind: candorv1.BackendEventKind_BACKEND_EVENT_KIND_REPLICA_EJECTED, Replica: "10.0.0.1:8001"},
			},
			Replicas: []*candorv1.ReplicaStatus{{
				Address: "10.0.0.1:8001", State: candorv1.ReplicaState_REPLICA_STATE_EJECTED, Calls: 20, Failures: 5,
				EjectedUntil: timestamppb.New(now.Add(time.Minute)), Why: "5 failures in a row " + hostile, UsualTime: durationpb.New(1500 * time.Millisecond), Ejections: 2,
			}, {Address: "10.0.0.2:8001", State: candorv1.ReplicaState_REPLICA_STATE_SERVING, Calls: 20}},
		}},
		config: &candorv1.GetConfigurationResponse{
			Digest: "fedcba9876543210", LoadTime: timestamppb.New(now), ReloadTime: timestamppb.New(now), RefuseTime: timestamppb.New(now),
			ReloadResult: candorv1.ReloadResult_RELOAD_RESULT_REFUSED, Faults: []string{"candor.yaml:3:1: no " + hostile},
		},
		monitors: []*candorv1.MonitorStatus{{
			Model: "spam", Stage: "net", Kind: candorv1.MonitorKind_MONITOR_KIND_PSI, State: candorv1.MonitorState_MONITOR_STATE_WARNING,
			Says: "moved " + hostile, ReferenceRows: 40, ReferenceBins: []uint64{10, 30}, WindowBins: []uint64{20, 20},
		}},
		certificates: []*candorv1.Certificate{{
			Name: "certificates/0123456789abcdef.1", Key: &candorv1.CertificateKey{Model: "spam", Stage: hostile, Alpha: 0.05, AlarmRunLength: 10000},
			Version: 1, Status: candorv1.CertificateStatus_CERTIFICATE_STATUS_CERTIFIED, Delta: 0.1, Threshold: proto.Float64(0.93), Audits: 17, AuditErrors: 2, Alarm: 99,
			Levels: []*candorv1.CertificateLevel{{Threshold: 0.97, Labels: 80, Errors: 1, Wealth: 12.5, Certified: true}, {Threshold: 0.9, Labels: 90, Errors: 9, Wealth: 0}},
		}},
		limit: &candorv1.Limit{
			Name: "limits/nines", Action: "pay", MaxCount: 160, Bound: 160, Used: 160, Window: durationpb.New(10 * time.Second), Tripped: true,
			TripTime: timestamppb.New(now), WithheldSinceTrip: 7, LastResetBy: "bob", LastResetReason: hostile, LastResetTime: timestamppb.New(now),
		},
		people: &candorv1.GetReviewStatisticsResponse{
			Reviewers: []*candorv1.ReviewerStatistics{{
				Reviewer: hostile, Verdicts: 12, Compared: 8, Agreed: 6, Kappa: proto.Float64(0.5), Golden: 4, GoldenRight: 3, Hourly: []int64{0, 12},
				Flips: []*candorv1.FlipStatistics{{Model: "spam", Compared: 10, Differed: 5, FlippedToModel: 2}},
			}},
			Flips: []*candorv1.FlipStatistics{{Model: "spam", Compared: 10, Differed: 5, FlippedToModel: 2, FlippedAway: 1}},
		},
	}
}

// newPlantSite is the pages over a plant for a person with these roles.
func newPlantSite(t *testing.T, p *plant, roles ...candorv1.Role) *site {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer()
	candorv1.RegisterReviewServiceServer(srv, staff{plant: p})
	candorv1.RegisterExplainServiceServer(srv, p)
	candorv1.RegisterCertificateServiceServer(srv, p)
	candorv1.RegisterLimitServiceServer(srv, p)
	go func() { _ = srv.Serve(lis) }()
	t.Cleanup(srv.Stop)
	conn, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	pages, err := web.New(web.Deps{
		Conn: conn, Moved: func() <-chan struct{} { return nil },
		As: func(ctx context.Context, who people.Person, _ string) context.Context {
			return metadata.AppendToOutgoingContext(ctx, "person", who.Name)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	gate, err := people.NewGate(people.GateOptions{
		Config: &candorv1.Config{Operators: map[string]*candorv1.Operator{"olga": {
			Identity: &candorv1.Identity{Proof: &candorv1.Identity_Anonymous{Anonymous: true}}, Roles: roles,
		}}},
		PublicURL: "http://127.0.0.1", Pages: pages, Open: web.OpenPaths(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(pages.Behind(gate))
	t.Cleanup(ts.Close)
	t.Cleanup(pages.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &site{T: t, url: ts.URL, web: pages, client: &http.Client{
		Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

const (
	operator = candorv1.Role_ROLE_OPERATOR
	auditor  = candorv1.Role_ROLE_AUDITOR
)

// apart is all text of a page, with a blank between cells that touch.
func apart(doc *html.Node) string {
	var out []string
	for n := range doc.Descendants() {
		if n.Type == html.TextNode {
			out = append(out, strings.Fields(n.Data)...)
		}
	}
	return strings.Join(out, " ")
}

var opsPaths = []string{"/ops", "/ops/backends", "/ops/models/spam", "/ops/certificates", "/ops/limits", "/ops/limits/nines", "/ops/people-at-work"}

func TestWhoSeesOperation(t *testing.T) {
	for role, want := range map[candorv1.Role]int{
		operator: http.StatusOK, auditor: http.StatusOK, candorv1.Role_ROLE_SENIOR: http.StatusOK, candorv1.Role_ROLE_ADMIN: http.StatusOK,
		candorv1.Role_ROLE_REVIEWER: http.StatusForbidden,
	} {
		s := newPlantSite(t, newPlant(), role)
		for _, path := range opsPaths {
			r := s.get(path)
			if r.StatusCode != want {
				t.Errorf("%s for %v is answered by %d", path, role, r.StatusCode)
			}
			if linked := strings.Contains(r.body, `href="/ops" `) || strings.Contains(r.body, `<a href="/ops">`); linked != (want == http.StatusOK) {
				t.Errorf("%s for %v: the navigation has operation: %v", path, role, linked)
			}
		}
	}
}

// Every page says its numbers as text, and lets through neither markup nor styles of its own.
func TestPicturesHaveTheirNumbers(t *testing.T) {
	s := newPlantSite(t, newPlant(), operator)
	for path, says := range map[string][]string{
		"/ops": {"13 months", "old", "open", "10 25 %", "accept 96", "89 %", "defer 12", "of 108 rows", "1 of 1 warn"},
		"/ops/backends": {
			"fedcba9876543210", "another was refused", "refused, ", "a restart would fail", "candor.yaml:3:1: no", "breaker open since", "3 of 5 measured; the configuration allows 256",
			"Waiting 1 now, 30 got their place", "4 low, 5 normal, 6 high", "Refused by the breaker 7", "Retries 8 made, 2 refused, the budget has 3 left",
			"after 50 ms, in which 95 % of the answers come; 4 of 9 won", "An answer takes 12.3 ms", "ejected until", "5 failures in a row", "1.5 s 20 5 25 % 2", "ejection is ignored",
			"breaker opened", "replica ejected",
		},
		"/ops/models/spam":    {"accept 96", "low confidence", "25 %", "0 to 0.5 10 25 % 20 50 %", "0.5 to 1 30 75 % 20 50 %"},
		"/ops/certificates":   {"certified", "0.93", "17", "99 of 10000", "0.97 80 1 0 12.5 yes", "0.9 90 9 0 0 no"},
		"/ops/limits":         {"160 of 160 100 %", "7 answers withheld", "1 tripped"},
		"/ops/limits/nines":   {"160 of 160 in 10 s", "olga and root", "50 % of it until"},
		"/ops/people-at-work": {"12", "75 % 6 of 8", "0.5", "75 % 3 of 4", "40 % 2 of 5", "20 % 1 of 5"},
	} {
		r := s.get(path)
		text := apart(r.parse(t))
		for _, want := range says {
			if !strings.Contains(text, want) {
				t.Errorf("%s doesn't say %q:\n%s", path, want, text)
			}
		}
		if path != "/ops/people-at-work" && !strings.Contains(r.body, `role="img"`) && !strings.HasPrefix(path, "/ops/limits") && path != "/ops/backends" {
			t.Errorf("%s has no picture", path)
		}
		if strings.Contains(r.body, hostile) || !strings.Contains(r.Header.Get("Content-Security-Policy"), "style-src 'self'") {
			t.Errorf("%s lets markup through", path)
		}
		for n := range r.parse(t).Descendants() {
			if hasAttr(n, "style") || n.Data == "style" || n.Data == "script" && !hasAttr(n, "src") {
				t.Errorf("%s has a style or a script of its own: %v", path, n.Attr)
			}
			if n.Data == "rect" && (strings.ContainsAny(attr(n, "height")+attr(n, "width")+attr(n, "y"), "-NIe")) {
				t.Errorf("%s has a rectangle that no browser draws: %v", path, n.Attr)
			}
		}
	}
}

func TestNothingInOperation(t *testing.T) {
	s := newPlantSite(t, &plant{people: &candorv1.GetReviewStatisticsResponse{}, config: &candorv1.GetConfigurationResponse{}}, auditor)
	for path, says := range map[string]string{
		"/ops": "has no backend", "/ops/backends": "has no backend", "/ops/models/spam": "No row was decided", "/ops/certificates": "There is no certificate",
		"/ops/limits": "has no limit", "/ops/people-at-work": "Nobody answered anything",
	} {
		if r := s.get(path); r.StatusCode != http.StatusOK || !strings.Contains(r.text(t), says) {
			t.Errorf("%s is answered by %d and doesn't say %q", path, r.StatusCode, says)
		}
	}
	if r := s.get("/ops/models/nosuch"); r.StatusCode != http.StatusNotFound || !strings.Contains(r.text(t), "There is no such model") {
		t.Errorf("a model that isn't there is answered by %d", r.StatusCode)
	}
}

// A store too slow to count takes nothing else from the page, and the part that is refreshed doesn't count at all.
func TestUncounted(t *testing.T) {
	p := newPlant()
	s := newPlantSite(t, p, operator)
	if r := s.get("/ops?now"); r.StatusCode != http.StatusOK || p.summaries != 0 {
		t.Errorf("the live part is answered by %d after %d summaries", r.StatusCode, p.summaries)
	}
	p.uncounted = refusal(codes.Unavailable, "STORE_UNAVAILABLE", "no")
	for _, path := range []string{"/ops", "/ops/models/spam"} {
		if r := s.get(path); r.StatusCode != http.StatusOK || !strings.Contains(r.text(t), "could not be counted in time") || !strings.Contains(r.text(t), "moved") {
			t.Errorf("%s is answered by %d:\n%s", path, r.StatusCode, r.text(t))
		}
	}
}

// What only operators and auditors may see of the configuration is not asked for others.
func TestConfigurationIsForOperators(t *testing.T) {
	for role, want := range map[candorv1.Role]bool{operator: true, auditor: true, candorv1.Role_ROLE_ADMIN: true, candorv1.Role_ROLE_SENIOR: false} {
		s := newPlantSite(t, newPlant(), role)
		if r := s.get("/ops/backends"); strings.Contains(r.body, "fedcba9876543210") != want || !strings.Contains(r.body, "breaker open") {
			t.Errorf("%v: the configuration is shown: %v", role, !want)
		}
	}
	p := newPlant()
	p.config = &candorv1.GetConfigurationResponse{Digest: "0", LoadTime: timestamppb.Now()}
	if text := apart(newPlantSite(t, p, operator).get("/ops/backends").parse(t)); !strings.Contains(text, "none since the start") || strings.Contains(text, "refused 1") || strings.Contains(text, "a restart would fail") {
		t.Errorf("no reload is told as %s", text)
	}
}

package web_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
	"github.com/candor-gateway/candor/web"
)

const (
	reviewer = "ann"
	itemID   = "01939d4e-6a5c-7c3f-8f57-1f0a6c3e9b11"
)

// desk is a review service whose item a test writes. It keeps what it was asked.
type desk struct {
	candorv1.UnimplementedReviewServiceServer
	mu    sync.Mutex
	it    *candorv1.ReviewItem
	queue *candorv1.ReviewQueue
	// refuse is what the next act is refused with; nil: nothing.
	refuse error
	asked  []proto.Message
	as     []string
	moved  chan struct{}
}

func newDesk() *desk {
	now := time.Now()
	return &desk{
		moved: make(chan struct{}),
		queue: &candorv1.ReviewQueue{Name: "queues/mail", PendingCount: 3, Open: true, Member: true, EscalateTo: []string{"legal"}, ExpectedWait: durationpb.New(time.Minute)},
		it: &candorv1.ReviewItem{
			Name: "reviewItems/" + itemID, Queue: "mail", Model: "spam", State: candorv1.ReviewState_REVIEW_STATE_CLAIMED, Holder: reviewer, Epoch: 7,
			Labels: []string{"ham", "spam"}, CreateTime: timestamppb.New(now), ExpireTime: timestamppb.New(now.Add(time.Hour)),
			LeaseExpireTime: timestamppb.New(now.Add(5 * time.Minute)), Payload: &candorv1.ReviewPayload{Tensors: []*candorv1.PayloadTensor{
				{Name: "body", Datatype: "BYTES", Shape: []int64{1}, Texts: [][]byte{[]byte("Dear you")}, View: candorv1.PayloadView_PAYLOAD_VIEW_TEXT},
			}},
		},
	}
}

// refusal is a status as the gateway makes it.
func refusal(code codes.Code, reason, message string) error {
	st, err := status.New(code, message).WithDetails(&errdetails.ErrorInfo{Reason: reason, Domain: "candor"})
	if err != nil {
		panic(err)
	}
	return st.Err()
}

// ask notes a request, and answers the item after change.
func (d *desk) ask(ctx context.Context, in proto.Message, change func(*candorv1.ReviewItem)) (*candorv1.ReviewItem, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, in)
	d.as = append(d.as, metadata.ValueFromIncomingContext(ctx, "person")...)
	if d.refuse != nil {
		return nil, d.refuse
	}
	if change != nil {
		change(d.it)
	}
	return proto.CloneOf(d.it), nil
}

func (d *desk) GetReviewItem(context.Context, *candorv1.GetReviewItemRequest) (*candorv1.GetReviewItemResponse, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &candorv1.GetReviewItemResponse{Item: proto.CloneOf(d.it)}, nil
}

func (d *desk) ListReviewItems(context.Context, *candorv1.ListReviewItemsRequest) (*candorv1.ListReviewItemsResponse, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &candorv1.ListReviewItemsResponse{Items: []*candorv1.ReviewItem{proto.CloneOf(d.it)}, NextPageToken: "next"}, nil
}

func (d *desk) ListReviewQueues(context.Context, *candorv1.ListReviewQueuesRequest) (*candorv1.ListReviewQueuesResponse, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &candorv1.ListReviewQueuesResponse{Queues: []*candorv1.ReviewQueue{proto.CloneOf(d.queue)}}, nil
}

func (d *desk) ListReviewEvents(context.Context, *candorv1.ListReviewEventsRequest) (*candorv1.ListReviewEventsResponse, error) {
	return nil, refusal(codes.PermissionDenied, "PERMISSION_DENIED", "not yet")
}

func (d *desk) GetReviewStatistics(context.Context, *candorv1.GetReviewStatisticsRequest) (*candorv1.GetReviewStatisticsResponse, error) {
	return &candorv1.GetReviewStatisticsResponse{Reviewers: []*candorv1.ReviewerStatistics{{Reviewer: reviewer, Verdicts: 4, Golden: 2, GoldenRight: 1}}}, nil
}

func (d *desk) ClaimReviewItem(ctx context.Context, in *candorv1.ClaimReviewItemRequest) (*candorv1.ClaimReviewItemResponse, error) {
	it, err := d.ask(ctx, in, nil)
	return &candorv1.ClaimReviewItemResponse{Item: it}, err
}

func (d *desk) ResolveReviewItem(ctx context.Context, in *candorv1.ResolveReviewItemRequest) (*candorv1.ResolveReviewItemResponse, error) {
	it, err := d.ask(ctx, in, func(it *candorv1.ReviewItem) {
		v := proto.CloneOf(in.GetVerdict())
		v.Author, v.CreateTime, v.Blind = reviewer, timestamppb.Now(), true
		it.State, it.Verdict, it.UndoUntil = candorv1.ReviewState_REVIEW_STATE_RESOLVED, v, timestamppb.New(time.Now().Add(time.Minute))
		it.Answers = []*candorv1.StageAnswer{{Stage: "net", Version: "3", Label: "spam", Confidence: proto.Float64(0.7)}}
	})
	return &candorv1.ResolveReviewItemResponse{Item: it}, err
}

func (d *desk) ReviseReviewItem(ctx context.Context, in *candorv1.ReviseReviewItemRequest) (*candorv1.ReviseReviewItemResponse, error) {
	it, err := d.ask(ctx, in, nil)
	return &candorv1.ReviseReviewItemResponse{Item: it}, err
}

func (d *desk) UndoReviewItem(ctx context.Context, in *candorv1.UndoReviewItemRequest) (*candorv1.UndoReviewItemResponse, error) {
	it, err := d.ask(ctx, in, nil)
	return &candorv1.UndoReviewItemResponse{Item: it}, err
}

func (d *desk) SkipReviewItem(ctx context.Context, in *candorv1.SkipReviewItemRequest) (*candorv1.SkipReviewItemResponse, error) {
	it, err := d.ask(ctx, in, nil)
	return &candorv1.SkipReviewItemResponse{Item: it}, err
}

func (d *desk) EscalateReviewItem(ctx context.Context, in *candorv1.EscalateReviewItemRequest) (*candorv1.EscalateReviewItemResponse, error) {
	it, err := d.ask(ctx, in, nil)
	return &candorv1.EscalateReviewItemResponse{Item: it}, err
}

func (d *desk) ReleaseReviewItem(ctx context.Context, in *candorv1.ReleaseReviewItemRequest) (*candorv1.ReleaseReviewItemResponse, error) {
	it, err := d.ask(ctx, in, nil)
	return &candorv1.ReleaseReviewItemResponse{Item: it}, err
}

func (d *desk) RenewReviewItemLease(ctx context.Context, in *candorv1.RenewReviewItemLeaseRequest) (*candorv1.RenewReviewItemLeaseResponse, error) {
	it, err := d.ask(ctx, in, nil)
	return &candorv1.RenewReviewItemLeaseResponse{Item: it}, err
}

// site is the pages over a desk, and a browser without script that looks at them.
type site struct {
	*testing.T
	desk   *desk
	url    string
	client *http.Client
	web    *web.Server
}

// newSite is for a person with these roles; none: a reviewer.
func newSite(t *testing.T, d *desk, roles ...candorv1.Role) *site {
	t.Helper()
	if roles == nil {
		roles = []candorv1.Role{candorv1.Role_ROLE_REVIEWER}
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer()
	candorv1.RegisterReviewServiceServer(srv, d)
	candorv1.RegisterLimitServiceServer(srv, counter{desk: d})
	go func() { _ = srv.Serve(lis) }()
	t.Cleanup(srv.Stop)
	conn, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	pages, err := web.New(web.Deps{
		Conn: conn,
		As: func(ctx context.Context, p people.Person, _ string) context.Context {
			return metadata.AppendToOutgoingContext(ctx, "person", p.Name)
		},
		Moved: func() <-chan struct{} {
			d.mu.Lock()
			defer d.mu.Unlock()
			return d.moved
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	gate, err := people.NewGate(people.GateOptions{
		Config: &candorv1.Config{Operators: map[string]*candorv1.Operator{reviewer: {
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
	return &site{T: t, desk: d, url: ts.URL, web: pages, client: &http.Client{
		Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// answer is a response that was read.
type answer struct {
	*http.Response
	body string
}

func (s *site) do(req *http.Request) answer {
	s.Helper()
	resp, err := s.client.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatal(err)
	}
	return answer{resp, string(body)}
}

func (s *site) get(path string) answer {
	s.Helper()
	req, err := http.NewRequestWithContext(s.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		s.Fatal(err)
	}
	return s.do(req)
}

func (s *site) post(path string, form url.Values) answer {
	s.Helper()
	req, err := http.NewRequestWithContext(s.Context(), http.MethodPost, s.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		s.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return s.do(req)
}

// form is what the form with this action would send, as the page has it.
func (a answer) form(t *testing.T, action string) url.Values {
	t.Helper()
	out := url.Values{}
	found := false
	for n := range a.parse(t).Descendants() {
		if n.Data != "form" || attr(n, "action") != action {
			continue
		}
		found = true
		for f := range n.Descendants() {
			if f.Data == "input" && (attr(f, "type") == "hidden" || hasAttr(f, "checked")) {
				out.Add(attr(f, "name"), attr(f, "value"))
			}
		}
	}
	if !found {
		t.Fatalf("no form for %s in\n%s", action, a.body)
	}
	return out
}

func (a answer) parse(t *testing.T) *html.Node {
	t.Helper()
	doc, err := html.Parse(bytes.NewReader([]byte(a.body)))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// text is all text of the page, as a person reads it.
func (a answer) text(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for n := range a.parse(t).Descendants() {
		if n.Type == html.TextNode {
			b.WriteString(n.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func hasAttr(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

package gateway_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// list asks for a page of one, and answers the token of the next.
type list func(token string) (next string, err error)

type page interface{ GetNextPageToken() string }

// listed is a list by its call, as a caller with this token.
func listed[In any, Out page](caller string, ask func(context.Context, In, ...grpc.CallOption) (Out, error), in func(page string) In) list {
	return func(token string) (string, error) {
		out, err := ask(as(caller), in(token))
		return out.GetNextPageToken(), err
	}
}

// twoOfAll is a world whose lists have two pages each, but for certificates, of which it has none.
func twoOfAll(t *testing.T) map[string]list {
	const queues, limit = "queues: {desk: {deadline: 1h, lease: 5m}}", "{action: decline, window: 1h, max_count: 1, on_trip: reject}"
	w := start(t, queues, queues+fmt.Sprintf("\nwebhooks: {payments: {url: %q, allow_private: true}}\nlimits: {declines: %s, more: %s}",
		newMailbox(t).URL, limit, limit))
	for range 2 {
		_ = w.infer(t.Context(), request([][4]float32{sureRow}))
	}
	if _, err := w.reset(operatorToken, "declines", "r1"); err != nil {
		t.Fatal(err)
	}
	w.addGolden("good", 1)
	w.addGolden("bad", 2)
	var item string
	for range 2 {
		item, _ = w.deferOne(deferredRow)
		w.resolve(reviewerToken, item, "good")
	}
	l, r, h, c := w.limits(), w.reviews(), w.webhooks(), candorv1.NewCertificateServiceClient(w.conn)
	lists := map[string]list{
		"ListLimits": listed(auditorToken, l.ListLimits, func(page string) *candorv1.ListLimitsRequest {
			return &candorv1.ListLimitsRequest{PageSize: 1, PageToken: page}
		}),
		"ListLimitEvents": listed(auditorToken, l.ListLimitEvents, func(page string) *candorv1.ListLimitEventsRequest {
			return &candorv1.ListLimitEventsRequest{Name: "limits/declines", PageSize: 1, PageToken: page}
		}),
		"ListReviewItems": listed(auditorToken, r.ListReviewItems, func(page string) *candorv1.ListReviewItemsRequest {
			return &candorv1.ListReviewItemsRequest{PageSize: 1, PageToken: page}
		}),
		"ListReviewEvents": listed(auditorToken, r.ListReviewEvents, func(page string) *candorv1.ListReviewEventsRequest {
			return &candorv1.ListReviewEventsRequest{Name: item, PageSize: 1, PageToken: page}
		}),
		"ListGoldenItems": listed(seniorToken, r.ListGoldenItems, func(page string) *candorv1.ListGoldenItemsRequest {
			return &candorv1.ListGoldenItemsRequest{PageSize: 1, PageToken: page}
		}),
		"ListWebhookDeliveries": listed(operatorToken, h.ListWebhookDeliveries, func(page string) *candorv1.ListWebhookDeliveriesRequest {
			return &candorv1.ListWebhookDeliveriesRequest{Webhook: "payments", PageSize: 1, PageToken: page}
		}),
		"ListCertificates": listed(auditorToken, c.ListCertificates, func(page string) *candorv1.ListCertificatesRequest {
			return &candorv1.ListCertificatesRequest{PageSize: 1, PageToken: page}
		}),
	}
	w.eventually(func() bool { next, err := lists["ListWebhookDeliveries"](""); return err == nil && next != "" })
	return lists
}

// pagedMethods are all calls that take a page_token.
func pagedMethods() (names []string) {
	protoregistry.GlobalFiles.RangeFilesByPackage("candor.v1", func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			methods := f.Services().Get(i).Methods()
			for k := range methods.Len() {
				if m := methods.Get(k); m.Input().Fields().ByName("page_token") != nil {
					names = append(names, string(m.Name()))
				}
			}
		}
		return true
	})
	return names
}

// A token that the list hasn't answered is no place in it: every list refuses it, and says what to do. That is so of tokens of other lists,
// and of its own that somebody has bent.
func TestForeignPageTokens(t *testing.T) {
	raw := base64.RawURLEncoding.EncodeToString
	foreign := []string{
		"x", "7", "+7", "-7", "0", "limits/declines", "limits/zzz", "zzz", "~", "\x00", "1.x", "1.\x00", "tomorrow", "AAAAAAAAAAA", "__________8",
		raw([]byte("1/x")), raw([]byte("limits/declines")), raw([]byte("\n")), strings.Repeat("A", 256),
	}
	lists := twoOfAll(t)
	for _, name := range pagedMethods() {
		if lists[name] == nil {
			t.Errorf("%s has pages, and isn't asked here", name)
		}
	}
	own := map[string]string{}
	for name, ask := range lists {
		next, err := ask("")
		if err != nil || next == "" && name != "ListCertificates" {
			t.Fatalf("%s: %q, %v", name, next, err)
		}
		if _, err := ask(next); err != nil {
			t.Errorf("%s refuses its own token: %v", name, err)
		}
		own[name] = next
	}
	for name, ask := range lists {
		tokens := foreign
		for of, token := range own {
			if of != name && token != "" {
				tokens = append(tokens[:len(tokens):len(tokens)], token)
			}
		}
		if token := own[name]; token != "" {
			tokens = append(tokens[:len(tokens):len(tokens)], token+"\n", " "+token, token+"=", token[:len(token)-1], token+"AAAA")
		}
		for _, token := range tokens {
			_, err := ask(token)
			if err == nil {
				t.Errorf("%s takes %q", name, token)
				continue
			}
			md := wantError(t, err, codes.InvalidArgument, "INVALID_REQUEST")
			if md["field"] != "page_token" || !strings.Contains(err.Error(), "leave it empty for the first page") {
				t.Errorf("%s: %q: %v", name, token, err)
			}
		}
	}
}

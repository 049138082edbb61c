package gateway

import (
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// shown is an item as this principal may see it. Whoever may judge an item sees what there is to judge and nothing else until it has
// its final answer: a golden item, an audit, an appeal and a deferred row look alike. Suggestions anchor people, and a verdict on a
// row that is known to be watched says nothing of the others. After their own verdict they see what the models said, so that they
// may change it; what others said, when it is final.
func (g *Gateway) shown(p *Principal, item *review.Item) *candorv1.ReviewItem {
	out := item.Proto()
	if mayJudge(p, item) {
		g.veil(p, item, out)
		return out
	}
	if len(p.roles) > 0 {
		out.LimitWants = g.wantsOf(item)
		out.TraceUrl, out.ReviewTraceUrl = g.traceURL(item.Traceparent), g.traceURL(out.GetReviewTraceparent())
	}
	return out
}

// mayJudge says that the principal may judge the item, or may change what they said of it.
func mayJudge(p *Principal, item *review.Item) bool {
	return (!item.Final() || givenBack(item)) && p.has(candorv1.Role_ROLE_REVIEWER)
}

// givenBack says that it is a golden item that its holder gave back. To reviewers it goes on looking like one that waits for others.
func givenBack(item *review.Item) bool {
	return item.Golden != "" && item.State == candorv1.ReviewState_REVIEW_STATE_WITHDRAWN
}

// veil takes from an item what would tell why it is there, what the machine made of it, and what others said.
func (g *Gateway) veil(p *Principal, item *review.Item, out *candorv1.ReviewItem) {
	own := verdictBy(item, p.Name)
	if own == nil && g.blindQueue(item) {
		out.Answers = nil
	}
	out.Kind, out.Reasons, out.ExpectedLoss, out.SamplingProbability, out.PredictionId, out.Row, out.Consumer = 0, nil, 0, 0, "", 0, ""
	out.Backend, out.ModelVersion, out.PolicyDigest, out.OnExpire, out.ReleaseState = "", "", "", 0, 0
	out.Traceparent, out.ReviewTraceparent, out.Action, out.HeldBy, out.Etag = "", "", "", "", ""
	out.Reviewers, out.Agree, out.Adjudication, out.Joined, out.JoinedTo, out.ModelReplaced = 0, 0, false, 0, "", false
	out.Verdict, out.Verdicts, out.Superseded, out.UndoUntil = nil, nil, nil, nil
	if item.Payload != nil || item.AppealReason == "" {
		out.AppealReason = ""
	}
	if givenBack(item) {
		out.State, out.FinalTime = candorv1.ReviewState_REVIEW_STATE_PENDING, nil
	}
	if own == nil {
		return
	}
	// Their part is done, whether others are still asked or not.
	out.State, out.Holder, out.LeaseExpireTime = candorv1.ReviewState_REVIEW_STATE_RESOLVED, p.Name, nil
	out.Verdict, out.Verdicts, out.Etag = own, []*candorv1.Verdict{own}, item.Etag()
	out.UndoUntil = timestamppb.New(own.GetCreateTime().AsTime().Add(g.undoWindow(item.Queue)))
	if !item.UndoUntil.IsZero() {
		out.UndoUntil = timestamppb.New(item.UndoUntil)
	}
}

func verdictBy(item *review.Item, reviewer string) *candorv1.Verdict {
	for _, v := range item.Verdicts {
		if v.GetAuthor() == reviewer {
			return v
		}
	}
	return nil
}

// blindQueue says that reviewers answer before they see what the models said.
func (g *Gateway) blindQueue(item *review.Item) bool {
	q, ok := g.plan().cfg.GetQueues()[item.Queue]
	return !ok || q.Blind == nil || q.GetBlind()
}

// refuseReviewer keeps from those who judge a row what else is known of its prediction: it would say all that shown leaves out.
func (g *Gateway) refuseReviewer(p *Principal, id string, items []review.Item) error {
	for i := range items {
		if mayJudge(p, &items[i]) && g.blindQueue(&items[i]) {
			return errf(codes.PermissionDenied, candorv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED,
				"prediction %s waits for a verdict, and %q is a reviewer, who judges without knowing what the model said: ask again when "+
					"it has its verdict, or as an operator without the role reviewer", id, p.Name).
				with("principal", p.Name).with("prediction_id", id)
		}
	}
	return nil
}

// withoutAudits is a prediction as its consumer may know it: nothing says which of its rows are audited, or what others have used of a limit.
// The record is copied.
func withoutAudits(rec *candorv1.Record, items []review.Item) (*candorv1.Record, []review.Item) {
	rec = proto.CloneOf(rec)
	for _, row := range rec.GetPrediction().GetRows() {
		withoutOthers(row)
		if row.GetAudited() {
			row.Audited, row.ReviewItem, row.PayloadSha256 = false, nil, nil
		}
	}
	return rec, slices.DeleteFunc(items, func(it review.Item) bool { return it.Kind == candorv1.ReviewKind_REVIEW_KIND_AUDIT })
}

// traceURL is where a trace can be looked at; empty: nobody says where, or there is none.
func (g *Gateway) traceURL(traceparent string) string {
	sc := parseTraceparent(traceparent)
	if !sc.IsValid() {
		return ""
	}
	return strings.NewReplacer("{trace_id}", sc.TraceID().String(), "{span_id}", sc.SpanID().String()).Replace(g.plan().cfg.GetTelemetry().GetTraceUrl())
}

// undoWindow is how long a verdict can be changed.
func (g *Gateway) undoWindow(queue string) time.Duration {
	return g.plan().cfg.GetQueues()[queue].GetUndoWindow().AsDuration()
}

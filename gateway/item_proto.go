package gateway

import (
	"strconv"

	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// itemProto is the item as callers see it.
func itemProto(i *review.Item) *candorv1.ReviewItem {
	out := &candorv1.ReviewItem{
		Name: itemName(i.ID), Queue: i.Queue, State: i.State, ReleaseState: i.Release, PredictionId: i.PredictionID, Row: i.Row,
		Model: i.Model, Backend: i.Backend, ModelVersion: i.ModelVersion, Consumer: i.Consumer, Reasons: i.Reasons,
		ExpectedLoss: i.ExpectedLoss, CreateTime: timestamppb.New(i.Created), ExpireTime: timestamppb.New(i.Deadline),
		OnExpire: i.OnExpire, Holder: i.Holder, Epoch: i.Epoch, Labels: i.Labels, Unit: i.Unit, Payload: i.Payload,
		Answers: i.Answers, Verdict: i.Verdict, Traceparent: i.Traceparent, SamplingProbability: i.SamplingProbability,
		PolicyDigest: digestText(i.PolicyDigest),
	}
	if !i.LeaseUntil.IsZero() {
		out.LeaseExpireTime = timestamppb.New(i.LeaseUntil)
	}
	// What can change is in the tag: state, epoch, release.
	out.Etag = strconv.Itoa(int(i.State)) + "." + strconv.FormatUint(i.Epoch, 10) + "." + strconv.Itoa(int(i.Release))
	return out
}

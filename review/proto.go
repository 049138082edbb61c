package review

import (
	"encoding/hex"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
)

// Proto is the item as callers see it. Slices and messages are shared with the item.
func (i *Item) Proto() *candorv1.ReviewItem {
	out := &candorv1.ReviewItem{
		Name: Name(i.ID), Queue: i.Queue, State: i.State, ReleaseState: i.Release, PredictionId: i.PredictionID, Row: i.Row, Field: i.Field,
		Model: i.Model, Backend: i.Backend, ModelVersion: i.ModelVersion, Consumer: i.Consumer, Reasons: i.Reasons,
		ExpectedLoss: i.ExpectedLoss, CreateTime: timestamppb.New(i.Created), ExpireTime: timestamppb.New(i.Deadline),
		OnExpire: i.OnExpire, Holder: i.Holder, Epoch: i.Epoch, Labels: i.Labels, Unit: i.Unit, Payload: i.Payload,
		Answers: i.Answers, Verdict: i.Verdict, Traceparent: i.Traceparent, SamplingProbability: i.SamplingProbability,
		PolicyDigest: hex.EncodeToString(i.PolicyDigest), Action: i.Action, Kind: i.Kind,
	}
	if !i.LeaseUntil.IsZero() {
		out.LeaseExpireTime = timestamppb.New(i.LeaseUntil)
	}
	if !i.FinalTime.IsZero() {
		out.FinalTime = timestamppb.New(i.FinalTime)
	}
	if i.HeldBy != "" {
		out.HeldBy = limits.ResourceName(i.HeldBy)
	}
	if !i.UndoUntil.IsZero() {
		out.UndoUntil = timestamppb.New(i.UndoUntil)
	}
	out.Reviewers, out.Agree, out.Adjudication, out.Verdicts = i.Wanted, i.Agree, i.Adjudication, i.Verdicts
	out.Joined, out.JoinedTo = i.Joined, Name(i.JoinedTo)
	out.EscalationNote, out.EscalatedBy, out.EscalatedFrom = i.EscalationNote, i.EscalatedBy, i.EscalatedFrom
	out.ReviewTraceparent, out.AppealReason, out.Superseded, out.ModelReplaced = i.ReviewTraceparent(), i.AppealReason, i.Superseded, i.ModelReplaced
	out.Etag = i.Etag()
	return out
}

const namePrefix = "reviewItems/"

// Name is the resource name of an item; empty for no id.
func Name(id string) string {
	if id == "" {
		return ""
	}
	return namePrefix + id
}

// IDOf is the inverse of Name; an id stays as it is.
func IDOf(name string) string { return strings.TrimPrefix(name, namePrefix) }

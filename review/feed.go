package review

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// EncodeFinal answers what of an item's answer a later one of the same item changes, as bytes: a store keeps it beside the position
// in the feed, so that a late reader sees the same there as an early one.
func (i *Item) EncodeFinal() ([]byte, error) {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(&candorv1.FinalAnswer{
		State: i.State, ReleaseState: i.Release, Reason: i.FinalReason, Verdict: i.Verdict, Agreeing: i.Agreeing, Superseded: i.Superseded,
		HeldBy: i.HeldBy, Action: i.Action, FinalTime: timestamppb.New(i.FinalTime), Revision: i.Revision,
	})
	if err != nil {
		return nil, fmt.Errorf("encode the answer of review item %s: %w", i.ID, err)
	}
	return data, nil
}

// DecodeFinal gives an item the answer that it had; nil leaves it as it is.
func (i *Item) DecodeFinal(data []byte) error {
	if data == nil {
		return nil
	}
	var f candorv1.FinalAnswer
	if err := proto.Unmarshal(data, &f); err != nil {
		return fmt.Errorf("decode the answer of review item %s: %w", i.ID, err)
	}
	i.State, i.Release, i.FinalReason, i.Verdict, i.Agreeing = f.GetState(), f.GetReleaseState(), f.GetReason(), f.GetVerdict(), f.GetAgreeing()
	i.Superseded, i.HeldBy, i.Action, i.Revision = f.GetSuperseded(), f.GetHeldBy(), f.GetAction(), f.GetRevision()
	i.FinalTime = time.Time{}
	if f.GetFinalTime() != nil {
		i.FinalTime = f.GetFinalTime().AsTime()
	}
	return nil
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// claimersOrder is what a process of claimers is told, as JSON on its standard input, which then stays open until it shall end.
type claimersOrder struct {
	// Addresses of gateways, which the people take turns with.
	Addresses []string
	// People by name, and one who claims nothing but what they let go.
	People []string
	Taker  string
	// Of every so many items that a person claims, one is let go: its lease ends, somebody else takes it, and the verdict comes too late.
	LetGo int
}

// said is a line of what the gateway acknowledged, as JSON on standard output.
type said struct {
	// What: claim, verdict, or refused: a verdict with an epoch that has passed; or error, in Label, after which there is nothing more.
	What, Item, Person, Label string
	Epoch                     uint64
}

// claimers is the program of people who claim and judge items, in a process of their own.
func claimers() {
	in := json.NewDecoder(os.Stdin)
	var o claimersOrder
	if err := in.Decode(&o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	stop := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // until it is closed
		close(stop)
	}()
	var mu sync.Mutex
	out := json.NewEncoder(os.Stdout)
	say := func(s said) {
		mu.Lock()
		defer mu.Unlock()
		if err := out.Encode(s); err != nil {
			os.Exit(1) // nobody listens
		}
	}
	people := make([]*person, len(o.People)+1)
	for i, name := range append(o.People, o.Taker) {
		p, err := newPerson(o.Addresses[i%len(o.Addresses)], name, say)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		people[i] = p
	}
	t := &taker{person: people[len(o.People)]}
	var wg sync.WaitGroup
	for _, p := range people[:len(o.People)] {
		wg.Go(func() {
			if err := p.work(stop, o.LetGo, t); err != nil {
				say(said{What: "error", Person: p.name, Label: err.Error()})
			}
		})
	}
	wg.Wait()
}

func personName(i int) string { return fmt.Sprintf("person-%d", i) }

// labelOf is what a person says of every item.
func labelOf(name string) string {
	if name[len(name)-1]%2 == 0 {
		return "heads"
	}
	return "tails"
}

// person claims and judges. The gateway that it asks may be gone for a while: then it asks again, with the same request id.
type person struct {
	name    string
	reviews candorv1.ReviewServiceClient
	say     func(said)
}

func newPerson(address, name string, say func(said)) (*person, error) {
	quick := backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.5, MaxDelay: 200 * time.Millisecond}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: quick, MinConnectTimeout: time.Second}))
	if err != nil {
		return nil, err
	}
	return &person{name, candorv1.NewReviewServiceClient(conn), say}, nil
}

// pause is how long a person waits before asking again.
const pause = 20 * time.Millisecond

// ask calls the gateway until it answers.
func ask[Q, R any](p *person, call func(context.Context, *Q, ...grpc.CallOption) (*R, error), q *Q) (*R, error) {
	for until := time.Now().Add(patience); ; time.Sleep(pause) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		r, err := call(metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+p.name+"-token"), q)
		cancel()
		// A gateway that was killed, and one whose database was.
		gone := remote.Code(err) == codes.Unavailable
		if err == nil || !gone || time.Now().After(until) {
			return r, err
		}
	}
}

// letGo is an item that a person has claimed, and judges too late.
type letGo struct {
	item  string
	epoch uint64
	since time.Time
}

// taker is who takes what others let go: one item at a time, since an item may be let go twice, and who claims it again loses the epoch
// before.
type taker struct {
	*person
	mu sync.Mutex
}

// work claims and judges until stop, and until all that was let go has been refused.
func (p *person) work(stop <-chan struct{}, every int, t *taker) error {
	var gone []letGo
	for n := 1; ; n++ {
		if len(gone) > 0 && time.Since(gone[0].since) > shortLease {
			if err := t.late(p, gone[0]); err != nil {
				return err
			}
			gone = gone[1:]
		}
		req := &candorv1.ClaimReviewItemRequest{Queue: "coins", RequestId: uuid.NewString(), Lease: durationpb.New(longLease)}
		if n%every == 0 {
			req.Lease = durationpb.New(shortLease)
		}
		resp, err := ask(p, p.reviews.ClaimReviewItem, req)
		if remote.Reason(err) == candorv1.ErrorReason_ERROR_REASON_QUEUE_EMPTY {
			select {
			case <-stop:
				if len(gone) == 0 {
					return nil
				}
			default:
			}
			time.Sleep(pause) // others may let go what they hold
			continue
		}
		if err != nil {
			return fmt.Errorf("claim: %w", err)
		}
		it := resp.GetItem()
		p.say(said{What: "claim", Item: it.GetName(), Person: p.name, Epoch: it.GetEpoch()})
		switch l := (letGo{it.GetName(), it.GetEpoch(), time.Now()}); {
		case n%(2*every) == 0:
			// Claimed again by the same person, as after an answer that got lost: the epoch before has passed, too.
			if err := p.late(l, p); err != nil {
				return err
			}
			continue
		case n%every == 0:
			gone = append(gone, l)
			continue
		}
		if err := p.judge(it.GetName(), it.GetEpoch()); err != nil {
			return err
		}
	}
}

// judge gives a verdict, which must be taken.
func (p *person) judge(item string, epoch uint64) error {
	label, err := p.resolve(item, epoch)
	if err != nil {
		return fmt.Errorf("resolve %s with epoch %d: %w", item, epoch, err)
	}
	p.say(said{What: "verdict", Item: item, Person: p.name, Epoch: epoch, Label: label})
	return nil
}

func (p *person) resolve(item string, epoch uint64) (label string, err error) {
	label = labelOf(p.name)
	_, err = ask(p, p.reviews.ResolveReviewItem, &candorv1.ResolveReviewItemRequest{
		Name: item, Epoch: epoch, RequestId: uuid.NewString(), Verdict: &candorv1.Verdict{Answer: &candorv1.Verdict_Label{Label: label}},
	})
	return label, err
}

func (t *taker) late(p *person, l letGo) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return p.late(l, t.person)
}

// late lets by claim an item whose lease has ended, if nobody else has, and gives the verdict of the lease before: which must be refused,
// whoever has the item now.
func (p *person) late(l letGo, by *person) error {
	taken, err := ask(by, by.reviews.ClaimReviewItem, &candorv1.ClaimReviewItemRequest{Name: l.item, Lease: durationpb.New(longLease)})
	switch remote.Reason(err) {
	case candorv1.ErrorReason_ERROR_REASON_REVIEW_ITEM_CLAIMED, candorv1.ErrorReason_ERROR_REASON_REVIEW_ITEM_RESOLVED:
		taken = nil
	default:
		if err != nil {
			return fmt.Errorf("claim %s again: %w", l.item, err)
		}
		p.say(said{What: "claim", Item: l.item, Person: by.name, Epoch: taken.GetItem().GetEpoch()})
		if now := taken.GetItem().GetEpoch(); now <= l.epoch {
			return fmt.Errorf("%s came back with epoch %d after %d", l.item, now, l.epoch)
		}
	}
	_, err = p.resolve(l.item, l.epoch)
	switch reason := remote.Reason(err); {
	case reason == candorv1.ErrorReason_ERROR_REASON_STALE_LEASE, reason == candorv1.ErrorReason_ERROR_REASON_REVIEW_ITEM_RESOLVED && taken == nil:
		p.say(said{What: "refused", Item: l.item, Person: p.name, Epoch: l.epoch, Label: reason.String()})
	default:
		return fmt.Errorf("a verdict on %s with epoch %d, whose lease had ended: %w", l.item, l.epoch, errors.Join(err, errTaken))
	}
	if taken == nil {
		return nil
	}
	return by.judge(l.item, taken.GetItem().GetEpoch())
}

var errTaken = errors.New("it must be refused as stale")

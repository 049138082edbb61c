package explain

import (
	"context"
	"errors"
	"io"
	"math"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/candor-gateway/candor/audit"
	"github.com/candor-gateway/candor/calibration/certificate"
	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/datadir"
	"github.com/candor-gateway/candor/cmd/candor/internal/server"
	"github.com/candor-gateway/candor/cmd/candor/internal/stores"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// storeLog reads a store without a gateway.
type storeLog struct{ store stores.Reader }

func openStore(ctx context.Context, path string) (*storeLog, error) {
	store, err := datadir.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	return &storeLog{store}, nil
}

// openConfigured opens the store of a configuration; its faults go to w.
func openConfigured(ctx context.Context, file string, w io.Writer) (*storeLog, error) {
	cfg, err := server.Load(file, w)
	if err != nil {
		return nil, err
	}
	store, err := stores.Read(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &storeLog{store}, nil
}

func (l *storeLog) close() error { return l.store.Close(context.Background()) }

func (l *storeLog) find(ctx context.Context, id string) (source, error) {
	stored, err := l.store.Find(ctx, id)
	if errors.Is(err, audit.ErrNotFound) {
		return source{}, cli.Fail("copy the id from the reply's candor_prediction_id, and name the data of the gateway that made it",
			"the log holds no prediction %s", id)
	}
	if err != nil {
		return source{}, err
	}
	s := source{
		record: stored.Record.GetPrediction(), made: time.UnixMicro(stored.Record.GetTimeUs()), writer: stored.Writer, sequence: stored.Seq,
	}
	page, err := l.store.List(ctx, review.Filter{PredictionID: id, Limit: mostItems})
	if err != nil {
		return source{}, err
	}
	s.events = map[string][]*candorv1.ReviewEvent{}
	for i := range page.Items {
		item := page.Items[i].Proto()
		s.items = append(s.items, item)
		if i >= mostEvents {
			continue
		}
		events, err := l.store.Events(ctx, page.Items[i].ID, 0, mostEvents)
		if err != nil {
			return source{}, err
		}
		for j := range events {
			s.events[item.GetName()] = append(s.events[item.GetName()], eventProto(&events[j]))
		}
	}
	s.certificates = l.certificates(ctx, s.record)
	outcomes, err := l.store.Outcomes(ctx, id)
	if err != nil {
		return source{}, err
	}
	for _, o := range outcomes {
		observed := time.UnixMicro(o.GetObserveTimeUs()).UTC()
		s.outcomes = append(s.outcomes, outcome{Row: int(o.GetRow()), Field: o.GetField(), Answer: answerText(o.GetLabel(), o.Value), Time: &observed})
	}
	return s, nil
}

// mostItems of a prediction are read: a row has one for each appeal beside its own.
const mostItems = 10_000

func eventProto(e *review.Event) *candorv1.ReviewEvent {
	return &candorv1.ReviewEvent{Kind: e.Kind, CreateTime: timestamppb.New(e.At), Actor: e.Actor, Note: e.Note, Queue: e.Queue, Epoch: e.Epoch, Verdict: e.Verdict}
}

// certificates are those of the record's rows. Whether one is stale by now is its policy's to say, which the store doesn't know.
func (l *storeLog) certificates(ctx context.Context, r *candorv1.PredictionRecord) map[string]*candorv1.Certificate {
	out := map[string]*candorv1.Certificate{}
	for id := range certificatesOf(r) {
		// The story is worth telling without it.
		if st, err := l.store.Certificate(ctx, id); err == nil {
			out[id] = certificate.Resource(st, l.store.Now().UnixMicro(), math.MaxInt64, 0)
		}
	}
	return out
}

func (l *storeLog) summarize(ctx context.Context, q audit.Query) (audit.Summary, error) {
	if q.Until.IsZero() {
		q.Until = l.store.Now()
	}
	if !q.Since.Before(q.Until) {
		return audit.Summary{}, cli.Usage("give a --since that lies before --until", "the span of time is empty")
	}
	return l.store.Summarize(ctx, q)
}

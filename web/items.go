package web

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// itemRow is an item as lists show it.
type itemRow struct {
	*candorv1.ReviewItem
	ID, QueueName string
	StateText     string
	// Mine: the person holds it.
	Mine bool
	Open bool
	// Due is the time until its own deadline, Lease what is left of the hold, Undo what is left of the person's undo window.
	Due, Lease, Undo time.Duration
	// Late is how long it is over its deadline.
	Late, Age time.Duration
	// Verdict of the person, or else the item's; Said is its answer, At its time.
	Verdict *candorv1.Verdict
	Said    string
	At      time.Time
}

func itemRowOf(it *candorv1.ReviewItem, v *visit) itemRow {
	row := itemRow{
		ReviewItem: it, ID: idOf(it.GetName()), QueueName: it.GetQueue(), StateText: stateText(it),
		Open:    it.GetState() == candorv1.ReviewState_REVIEW_STATE_PENDING || it.GetState() == candorv1.ReviewState_REVIEW_STATE_CLAIMED,
		Mine:    it.GetState() == candorv1.ReviewState_REVIEW_STATE_CLAIMED && it.GetHolder() == v.Person.Name,
		Due:     leftUntil(it.GetExpireTime(), v.Now),
		Age:     v.Now.Sub(it.GetCreateTime().AsTime()),
		Verdict: it.GetVerdict(),
	}
	row.Late = -row.Due
	if it.LeaseExpireTime != nil {
		row.Lease = leftUntil(it.GetLeaseExpireTime(), v.Now)
	}
	if own := ownVerdict(it, v.Person.Name); own != nil {
		row.Verdict = own
		if it.UndoUntil != nil {
			row.Undo = leftUntil(it.GetUndoUntil(), v.Now)
		}
	}
	if row.Verdict != nil {
		row.Said, row.At = answerText(row.Verdict, it.GetUnit()), row.Verdict.GetCreateTime().AsTime()
	}
	return row
}

// ownVerdict is the person's verdict on the item; nil: they gave none.
func ownVerdict(it *candorv1.ReviewItem, name string) *candorv1.Verdict {
	for _, one := range it.GetVerdicts() {
		if one.GetAuthor() == name {
			return one
		}
	}
	if one := it.GetVerdict(); one.GetAuthor() == name {
		return one
	}
	return nil
}

// answerText is what a verdict says, with the unit of a value.
func answerText(v *candorv1.Verdict, unit string) string {
	switch a := v.GetAnswer().(type) {
	case *candorv1.Verdict_Label:
		return a.Label
	case *candorv1.Verdict_Value:
		return withUnit(a.Value, unit)
	}
	return "no answer"
}

func withUnit(v float64, unit string) string {
	if unit == "" {
		return number(v)
	}
	return number(v) + " " + unit
}

func stateText(it *candorv1.ReviewItem) string {
	switch it.GetState() {
	case candorv1.ReviewState_REVIEW_STATE_PENDING:
		if it.GetAdjudication() {
			return "waits for a senior"
		}
		return "waits"
	case candorv1.ReviewState_REVIEW_STATE_CLAIMED:
		return "at work"
	case candorv1.ReviewState_REVIEW_STATE_RESOLVED:
		switch {
		case it.GetFinalTime() == nil:
			return "answered, not final"
		case it.GetHeldBy() != "":
			return "answered, held by a limit"
		}
		return "answered"
	case candorv1.ReviewState_REVIEW_STATE_EXPIRED:
		return "expired"
	case candorv1.ReviewState_REVIEW_STATE_WITHDRAWN:
		return "withdrawn"
	}
	return "not known"
}

type choice struct {
	Value, Text string
	Chosen      bool
}

type itemsPage struct {
	Items          []itemRow
	Queues, States []choice
	Model          string
	Mine           bool
	// Next is the address of the next page; empty: this is the last one.
	Next             string
	First            string
	Pending, Claimed int64
	// Senior: the person may open appeals and keep known answers.
	Senior bool
}

// states that the list can be narrowed to, by the words of its addresses.
var states = []struct {
	value string
	text  string
	state candorv1.ReviewState
}{
	{"", "any state", candorv1.ReviewState_REVIEW_STATE_UNSPECIFIED},
	{"pending", "waits", candorv1.ReviewState_REVIEW_STATE_PENDING},
	{"claimed", "at work", candorv1.ReviewState_REVIEW_STATE_CLAIMED},
	{"resolved", "answered", candorv1.ReviewState_REVIEW_STATE_RESOLVED},
	{"expired", "expired", candorv1.ReviewState_REVIEW_STATE_EXPIRED},
	{"withdrawn", "withdrawn", candorv1.ReviewState_REVIEW_STATE_WITHDRAWN},
}

const itemsPageSize = 50

func (s *Server) items(w http.ResponseWriter, r *http.Request, v *visit) error {
	q := r.URL.Query()
	req := &candorv1.ListReviewItemsRequest{Queue: q.Get("queue"), Model: q.Get("model"), PageSize: itemsPageSize, PageToken: q.Get("page")}
	p := itemsPage{Model: req.Model, Mine: q.Get("mine") == "on", Senior: v.Person.Has(candorv1.Role_ROLE_SENIOR)}
	if p.Mine {
		req.Reviewer = "me"
	}
	for _, st := range states {
		if st.value == q.Get("state") {
			req.State = st.state
		}
		p.States = append(p.States, choice{st.value, st.text, st.value == q.Get("state")})
	}
	queues, err := s.queuesOf(r, v)
	if err != nil {
		return err
	}
	p.Queues = append(p.Queues, choice{"", "every queue", req.Queue == ""})
	for _, one := range queues {
		name := queueName(one.GetName())
		p.Queues = append(p.Queues, choice{name, plain(name), name == req.Queue})
	}
	ctx, cancel := s.call(r, v)
	defer cancel()
	resp, err := s.review.ListReviewItems(ctx, req)
	if err != nil {
		return err
	}
	for _, it := range resp.GetItems() {
		p.Items = append(p.Items, itemRowOf(it, v))
	}
	p.Pending, p.Claimed = resp.GetPendingCount(), resp.GetClaimedCount()
	if next := resp.GetNextPageToken(); next != "" {
		p.Next = addressWith(q, "page", next)
	}
	if req.PageToken != "" {
		p.First = addressWith(q, "page", "")
	}
	title := "Items"
	if req.Queue != "" {
		title += " of " + strconv.Quote(plain(req.Queue))
	}
	return s.render(w, r, v, view{Template: "items", Title: title, Section: "/items", Data: p})
}

// addressWith is the list's address with one parameter changed.
func addressWith(q url.Values, key, value string) string {
	out := url.Values{}
	for k, vs := range q {
		out[k] = vs
	}
	out.Del(key)
	if value != "" {
		out.Set(key, value)
	}
	return "/items?" + out.Encode()
}

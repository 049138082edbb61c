package sqlite

import (
	"strings"
	"testing"

	"github.com/candor-gateway/candor/review"
)

// Queries of the request path and of the queue must not sort or walk a whole table, however much is in it.
func TestQueryPlans(t *testing.T) {
	s := fresh(t, Options{})
	list := func(f review.Filter) string {
		f.Limit = 10
		q, _, err := listQuery(f)
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	after := review.PageToken(review.Item{ID: "0198c0de-0000-7000-8000-00000000000a"})
	for name, tc := range map[string]struct{ query, index string }{
		"the next of a queue":  {nextOfQueue, "review_items_next_of_queue"},
		"the next of all":      {nextOfAll, "review_items_next "},
		"the next of some":     {nextOfQueues, "review_items_next "},
		"a prediction":         {rowOf, "log_predictions"},
		"a prediction of runs": {runsOf, "log_runs_ids (most_id>? AND most_id<?)"},
		"runs of the log":      {runsAfter, "PRIMARY KEY (writer=? AND last_seq>?)"},
		"runs that are cut":    {runsCut, "log_runs_times (to_us>? AND to_us<?)"},
		"decisions of runs": {`SELECT sum(row_count) FROM run_decisions d WHERE d.kind = ? AND d.to_us >= ? AND d.to_us < ? AND d.from_us >= ?`,
			"PRIMARY KEY (kind=? AND to_us>? AND to_us<?)"},
		"a list":               {list(review.Filter{}), "review_items_newest"},
		"a later page":         {list(review.Filter{After: after}), "review_items_newest"},
		"a list of a state":    {list(review.Filter{State: 1, After: after}), "review_items_newest_of_state"},
		"items of one decided": {list(review.Filter{PredictionID: "x"}), "review_items_prediction"},
		"a page of the log":    {rowsAfter, "PRIMARY KEY (writer=? AND seq>?)"},
		"decisions of a kind": {`SELECT sum(row_count) FROM decisions d WHERE d.kind = ? AND d.time_us >= ? AND d.time_us < ?`,
			"PRIMARY KEY (kind=? AND time_us>? AND time_us<?)"},
		"due items":                 {due, "review_items_due "},
		"held answers":              {held, "review_items_held"},
		"a list of a queue":         {list(review.Filter{Queue: "q", After: after}), "review_items_newest_of_queue"},
		"a list of some queues":     {list(review.Filter{Queues: []string{"q"}, After: after}), "review_items_newest"},
		"what may be joined":        {joinable, "review_items_joinable "},
		"what has joined":           {ofJoined, "review_items_joined "},
		"an item's history":         {eventsOfItem, "review_events_of_item "},
		"the names of the queues":   {queueNames, "review_items_newest_of_queue"},
		"how many wait":             {countWaiting, "COVERING INDEX review_items_count "},
		"what waits":                {listWaiting, "review_items_next_of_queue "},
		"how many were resolved":    {countResolved, "COVERING INDEX review_verdicts_of_queue "},
		"times of work":             {listWorkTimes, "COVERING INDEX review_verdicts_of_queue "},
		"how many expired":          {countExpired, "COVERING INDEX review_items_expired "},
		"verdicts of a span":        {givenVerdicts, "review_verdicts_given "},
		"what was passed on":        {passedEvents, "review_events_passed "},
		"golden questions":          {listGoldenOfQueue, "review_golden_of_queue "},
		"a request":                 {`SELECT 1 FROM review_requests WHERE actor = ? AND request_id = ? AND item_id = ?`, "PRIMARY KEY"},
		"requests to forget":        {sweepRequests, "review_requests_at "},
		"exclusions of an item":     {`SELECT 1 FROM review_exclusions WHERE item_id = ? AND reviewer = ?`, "PRIMARY KEY"},
		"payloads to go":            {sweep, "review_payloads_finished"},
		"certificates":              {listCertificates, "certificates_listed "},
		"certificates of a model":   {listCertificatesOfModel, "certificates_listed_of_model "},
		"a certificate in force":    {certificateInForce, "certificates_in_force "},
		"certificates behind one":   {certificatesBehind, "certificates_downstream "},
		"the rows of a unit":        {rowsOfUnit, "certificate_rows_of_unit "},
		"an input of a certificate": {`SELECT 1 FROM certificate_inputs WHERE digest = ? AND cluster = ? AND input = ?`, "PRIMARY KEY"},
		"alerts":                    {`SELECT id FROM limit_trips WHERE closed = 0 ORDER BY position`, "limit_trips_open"},
		"secrets of a webhook":      {secretsOfWebhook, "webhook_secrets_of_webhook"},
		"deliveries that have gone": {endedDeliveries, "webhook_deliveries_ended"},
		"deliveries that are due":   {dueDeliveries, "webhook_deliveries_due (webhook=? AND due_us<?"},
		"others of their order":     {dueDeliveries, "webhook_deliveries_order (webhook=? AND prediction_id=? AND position<?"},
		"the next delivery":         {nextDue, "webhook_deliveries_due (webhook=? AND due_us>?"},
		"a list of deliveries":      {`SELECT ` + deliveryColumns + ` FROM webhook_deliveries WHERE webhook = ? AND (position, id) < (?, ?) ORDER BY position DESC, id DESC LIMIT ?`, "webhook_deliveries_listed "},
	} {
		var plan []string
		if err := s.reader(t.Context())(`EXPLAIN QUERY PLAN `+tc.query, make([]any, strings.Count(tc.query, "?")), func(row scanner) error {
			var id, parent, unused int
			var detail string
			err := row.Scan(&id, &parent, &unused, &detail)
			plan = append(plan, detail)
			return err
		}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all := strings.Join(plan, " ; ") + " "
		if !strings.Contains(all, tc.index) || strings.Contains(all, "TEMP B-TREE") {
			t.Errorf("%s: the plan is %q; want %s and no sorting", name, all, tc.index)
		}
	}
}

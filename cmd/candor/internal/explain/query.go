package explain

import (
	"strings"
	"time"

	"github.com/candor-gateway/candor/audit"
	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// query reads the flags that select what is counted.
func (f *flags) query() (audit.Query, error) {
	q := audit.Query{Model: f.model, Consumer: f.consumer, Action: f.action}
	at := time.Now()
	var err error
	if q.Since, err = cli.Moment("--since", f.since, at); err != nil {
		return q, err
	}
	if f.until != "" {
		if q.Until, err = cli.Moment("--until", f.until, at); err != nil {
			return q, err
		}
		at = q.Until
	}
	if !q.Since.Before(at) {
		return q, cli.Usage("give a --since that lies before --until", "the span of time is empty")
	}
	if f.r != "" {
		if q.Route, err = cli.ParseEnum[candorv1.Route](f.r); err != nil {
			return q, cli.Usage("", "--route: %v", err)
		}
	}
	seen := map[candorv1.GroupBy]bool{}
	for i, name := range f.by {
		f.by[i] = strings.ToLower(strings.TrimSpace(name))
		by, err := cli.ParseEnum[candorv1.GroupBy](f.by[i])
		if err != nil {
			return q, cli.Usage("", "--by: %v", err)
		}
		if seen[by] {
			return q, cli.Usage("name it once", "--by: %s twice", f.by[i])
		}
		seen[by] = true
		q.By = append(q.By, by)
	}
	// As many as the service takes.
	const most = 4
	if len(q.By) > most {
		return q, cli.Usage("name at most four", "--by: %d groupings", len(q.By))
	}
	return q, nil
}

package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// resultsWait is how long the inlet is asked to wait for the next result.
const resultsWait = 30 * time.Second

// Results reads the producer's results in order. One goroutine at a time may use it.
type Results struct {
	client *Client
	page   []Result
	// next is the position behind page, at the one that was reached.
	next, at string
}

// Results begins to read behind a position, or with the oldest result that is kept if it is empty.
func (c *Client) Results(position string) *Results {
	return &Results{client: c, next: position, at: position}
}

// Position is where to begin next time. Store it together with the results that Next returned.
func (r *Results) Position() string { return r.at }

// Next returns the next result, and waits for it as long as the context allows. An *Error with
// status 410 is returned when results behind the position have been trimmed away: begin again with
// an empty one, and ask for the Status of disbursals whose results are missing.
func (r *Results) Next(ctx context.Context) (Result, error) {
	for len(r.page) == 0 {
		query := url.Values{"wait": {resultsWait.String()}}
		if r.next != "" {
			query.Set("after", r.next)
		}
		var page resultsPage
		err := r.client.do(ctx, call{
			method: http.MethodGet, path: "/v1/results", query: query, wait: resultsWait,
		}, &page)
		if err != nil {
			return Result{}, err
		}
		r.page, r.next = page.Results, page.Next
		if len(r.page) == 0 {
			r.at = r.next
		}
	}
	result := r.page[0]
	r.page, r.at = r.page[1:], result.ResultID
	if len(r.page) == 0 {
		r.at = r.next
	}
	return result, nil
}

// All goes through the results, and waits for the next one, until the context ends or an error
// comes: see Next.
func (r *Results) All(ctx context.Context) iter.Seq2[Result, error] {
	return func(yield func(Result, error) bool) {
		for {
			result, err := r.Next(ctx)
			if !yield(result, err) || err != nil {
				return
			}
		}
	}
}

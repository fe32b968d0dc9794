package api

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"

	"tuma/internal/state"
)

const (
	// resultsLimit is the most results of one answer.
	resultsLimit = 1000
	// resultsLooked bounds how many results of all producers one answer looks at.
	resultsLooked = 10 * feedStep
	// resultsWait is the longest that a reader waits.
	resultsWait = time.Minute
)

// resultsView is the body of a page of results: their fields, and result_id.
type resultsView struct {
	Results []map[string]string `json:"results"`
	Next    string              `json:"next"`
}

// resultsAsked is what a reader of results asks for.
type resultsAsked struct {
	after string
	limit int
	wait  time.Duration
}

// getResults answers with the producer's results behind one, and waits for the first if need be.
func (a *API) getResults(r *request) answer {
	asked, err := resultsQuery(r)
	if err != nil {
		return failure(http.StatusBadRequest, err.Error())
	}
	view, ended, err := a.results(r, asked.after, asked.limit)
	if err == nil && ended && len(view.Results) == 0 && asked.wait > 0 {
		view, err = a.awaitResults(r, asked, view.Next)
	}
	switch {
	case errors.Is(err, state.ErrTrimmed):
		return failure(http.StatusGone, "after: results behind this one are no longer kept "+
			"(TUMA_STREAM_AGE): begin again without after, and ask for the disbursals that are missing")
	case errors.Is(err, errBusy):
		return busy()
	case err != nil:
		return unavailable(err)
	}
	return answer{status: http.StatusOK, body: view}
}

func resultsQuery(r *request) (asked resultsAsked, err error) {
	q, err := readQuery(r.URL.RawQuery, "after", "limit", "wait")
	if err != nil {
		return asked, err
	}
	if asked.limit, err = q.limit(resultsLimit); err != nil {
		return asked, err
	}
	if q["wait"] != "" {
		asked.wait, err = time.ParseDuration(q["wait"])
		if err != nil || asked.wait < 0 || asked.wait > resultsWait {
			return asked, fmt.Errorf("wait: %q is not a duration from 0s to 60s", q["wait"])
		}
	}
	if q["after"] != "" {
		if asked.after, err = state.ParseResultID(q["after"]); err != nil {
			return asked, fmt.Errorf("after: %w", err)
		}
	}
	return asked, nil
}

// results reads the producer's results behind one. It ends at the limit, at the end of all results,
// which ended says, or when it has looked at enough of others'.
func (a *API) results(
	r *request, after string, limit int,
) (view resultsView, ended bool, err error) {
	ctx, cancel := context.WithTimeout(r.Context(), storeLimit)
	defer cancel()
	view = resultsView{Results: []map[string]string{}, Next: after}
	for looked := 0; looked < resultsLooked; looked += feedStep {
		page, err := a.options.State.ResultsAfter(ctx, view.Next, feedStep)
		if err != nil && looked > 0 && errors.Is(err, state.ErrTrimmed) {
			return view, false, nil // It was trimmed meanwhile: the next question is told.
		}
		if err != nil {
			return view, false, err
		}
		for i := range page.Results {
			if r.producer != "" && page.Results[i].Producer != r.producer {
				continue
			}
			view.Results = append(view.Results, r.resultView(&page.Results[i]))
			if len(view.Results) == limit {
				view.Next = page.Results[i].ID
				return view, false, nil
			}
		}
		if view.Next = page.Next; !page.More {
			return view, true, nil
		}
	}
	return view, false, nil
}

// resultView is a result as the asking producer says it; without tokens, as people say it.
func (r *request) resultView(result *state.Result) map[string]string {
	fields := maps.Clone(result.Fields)
	fields["result_id"] = result.ID
	switch {
	case r.producer != "":
		fields["reference"] = result.Reference
	case result.Producer != "":
		fields["producer"] = result.Producer
	}
	return fields
}

// awaitResults waits for the first result behind one at the end of all. It has no turn meanwhile:
// who waits keeps nobody from sending.
func (a *API) awaitResults(
	r *request, asked resultsAsked, next string,
) (view resultsView, err error) {
	if !a.limits.await(r.producer) {
		return view, errBusy
	}
	defer a.limits.awaited(r.producer)
	r.pause(asked.wait)
	began := time.Now()
	defer func() { r.waited = time.Since(began) }()
	timer := time.NewTimer(asked.wait)
	defer timer.Stop()
	reader := a.feed.join(r.producer, next)
	defer func() { a.feed.leave(reader, "") }()
	for ended := false; ; next = view.Next {
		view, ended, err = a.results(r, next, asked.limit)
		if err != nil || !ended || len(view.Results) > 0 {
			return view, err
		}
		select {
		case _, news := <-reader.news:
			if news {
				continue
			}
			return view, reader.err
		case <-timer.C:
		case <-r.Context().Done():
		case <-a.feed.stopping:
		}
		view.Next = a.feed.leave(reader, view.Next)
		return view, nil
	}
}

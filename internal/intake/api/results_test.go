package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"tuma/internal/listen"
	"tuma/internal/state"
)

// feedReader reads results of a producer, page by page.
type feedReader struct {
	inlet *inlet
	token string
	after string
	// got are the references that were read, in their order.
	got []string
}

// page reads one page and returns how many results it had.
func (r *feedReader) page(t *testing.T, parameters ...string) int {
	t.Helper()
	query := url.Values{}
	if r.after != "" {
		query.Set("after", r.after)
	}
	for n := 0; n+1 < len(parameters); n += 2 {
		query.Set(parameters[n], parameters[n+1])
	}
	answer := r.inlet.ask(http.MethodGet, resultsPath+"?"+query.Encode(), "",
		"Authorization", "Bearer "+r.token)
	require.Equal(t, http.StatusOK, answer.Code, answer.Body.String())
	fits(t, "Results", answer.Body.Bytes())
	var view resultsView
	require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &view))
	for _, result := range view.Results {
		r.got = append(r.got, result["reference"])
	}
	r.after = view.Next
	return len(view.Results)
}

// TestTwoReadersGetTheirOwnResultsInOrder: each its own and no other's, whatever pauses it makes,
// and though what both have read is trimmed in between.
func TestTwoReadersGetTheirOwnResultsInOrder(t *testing.T) {
	t.Parallel()
	i := embedded(t)
	shop := &feedReader{inlet: i, token: "shop-token"}
	bank := &feedReader{inlet: i, token: "bank-new"}
	require.Zero(t, shop.page(t))
	require.Equal(t, "0-0", shop.after, "before the first result of all")
	i.result(t, "shop", 1, 2)
	i.result(t, "bank", 3)
	i.result(t, "", 4)
	i.result(t, "shop", 5)
	require.Equal(t, 2, shop.page(t, "limit", "2"))
	require.Equal(t, "2-0", shop.after)
	require.Equal(t, 1, bank.page(t))
	require.Equal(t, "5-0", bank.after, "how far was looked")
	require.Equal(t, 1, shop.page(t))
	require.Zero(t, shop.page(t))
	require.Zero(t, bank.page(t))
	i.trim(t)
	i.result(t, "bank", 6)
	i.result(t, "shop", 7)
	require.Equal(t, 1, shop.page(t))
	require.Equal(t, 1, bank.page(t))
	require.Zero(t, bank.page(t))
	require.Equal(t, []string{"r-1", "r-2", "r-5", "r-7"}, shop.got)
	require.Equal(t, []string{"r-3", "r-6"}, bank.got)
	// Whoever comes too late is told, and begins again with what there is.
	late := i.ask(http.MethodGet, resultsPath+"?after=4-0", "")
	require.Equal(t, http.StatusGone, late.Code)
	require.Contains(t, late.Body.String(), "TUMA_STREAM_AGE")
	again := &feedReader{inlet: i, token: "shop-token"}
	require.Equal(t, 1, again.page(t))
	require.Equal(t, []string{"r-7"}, again.got)
}

// TestAProducerWithFewResultsComesThroughManyOfOthers: an answer looks at so many and says how far.
func TestAProducerWithFewResultsComesThroughManyOfOthers(t *testing.T) {
	t.Parallel()
	i := embedded(t)
	for n := range resultsLooked + 1 {
		i.result(t, "bank", n+1)
	}
	i.result(t, "shop", resultsLooked+2)
	shop := &feedReader{inlet: i, token: "shop-token"}
	require.Zero(t, shop.page(t, "wait", "60s"), "it does not wait where there are more")
	require.Equal(t, fmt.Sprintf("%d-0", resultsLooked), shop.after)
	require.Equal(t, 1, shop.page(t))
	bank := &feedReader{inlet: i, token: "bank-new"}
	for len(bank.got) <= resultsLooked {
		require.NotZero(t, bank.page(t))
	}
	require.Len(t, bank.got, resultsLooked+1)
}

func TestWithoutTokensEveryResultIsRead(t *testing.T) {
	t.Parallel()
	i := embedded(t, withoutTokens)
	i.result(t, "shop", 1)
	i.result(t, "", 2)
	answer := i.ask(http.MethodGet, resultsPath, "")
	var view resultsView
	require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &view))
	require.Len(t, view.Results, 2)
	require.Equal(t, "shop/r-1", view.Results[0]["reference"], "as people see it")
	require.Equal(t, "shop", view.Results[0]["producer"])
	require.Equal(t, "r-2", view.Results[1]["reference"])
	require.NotContains(t, view.Results[1], "producer")
}

// TestWhatSettlesIsRead: the real results of two producers.
func TestWhatSettlesIsRead(t *testing.T) {
	t.Parallel()
	i := embedded(t)
	for _, token := range []string{"shop-token", "bank-new"} {
		require.Equal(t, http.StatusAccepted,
			i.post(job("r-1", "10"), "Authorization", "Bearer "+token).Code)
	}
	_, err := i.store.Cancel(context.Background(), state.KindDisbursal,
		state.Own("shop", "r-1"), "amina", "")
	require.NoError(t, err)
	shop := &feedReader{inlet: i, token: "shop-token"}
	require.Equal(t, 1, shop.page(t))
	require.Equal(t, []string{"r-1"}, shop.got)
	require.Zero(t, (&feedReader{inlet: i, token: "bank-new"}).page(t))
}

func TestQuestionsForResultsAreChecked(t *testing.T) {
	t.Parallel()
	i := embedded(t)
	for query, says := range map[string]string{
		"after=x": "after: ", "after=1-0-0": "after: ", "after=$": "after: ", "limit=0": "1 to 1000",
		"limit=1001": "1 to 1000", "limit=x": "limit: ", "wait=1": "wait: ", "wait=-1s": "wait: ",
		"wait=61s": "0s to 60s", "limit=1&limit=2": "given twice", "form=1": "after, limit, wait",
		"after=%zz": "query",
	} {
		answer := i.ask(http.MethodGet, resultsPath+"?"+query, "")
		require.Equal(t, http.StatusBadRequest, answer.Code, query)
		require.Contains(t, answer.Body.String(), says, query)
	}
	fine := i.ask(http.MethodGet, resultsPath+"?after=7&limit=&wait=0s", "")
	require.Equal(t, http.StatusOK, fine.Code)
}

// waiting is how many readers wait.
func (f *feed) waiting() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.readers)
}

// await returns when so many readers wait.
func (i *inlet) await(t *testing.T, readers int) {
	t.Helper()
	require.Eventually(t, func() bool { return i.feed.waiting() == readers },
		time.Minute, time.Millisecond)
}

// TestReadersWaitForTheirOwn: one is answered when its own comes, and another's does not wake it.
func TestReadersWaitForTheirOwn(t *testing.T) {
	t.Parallel()
	i := embedded(t)
	shop := &feedReader{inlet: i, token: "shop-token"}
	bank := &feedReader{inlet: i, token: "bank-new"}
	var all sync.WaitGroup
	all.Go(func() { shop.page(t, "wait", "60s") })
	all.Go(func() { bank.page(t, "wait", "60s") })
	i.await(t, 2)
	i.result(t, "", 1)
	i.result(t, "bank", 2)
	i.await(t, 1)
	i.result(t, "shop", 3)
	all.Wait()
	require.Equal(t, []string{"r-3"}, shop.got)
	require.Equal(t, []string{"r-2"}, bank.got)
}

// TestAnEmptyWaitSaysHowFarWasLooked: what came meanwhile for others is not looked at again.
func TestAnEmptyWaitSaysHowFarWasLooked(t *testing.T) {
	t.Parallel()
	i := embedded(t)
	shop := &feedReader{inlet: i, token: "shop-token"}
	var all sync.WaitGroup
	all.Go(func() { shop.page(t, "wait", "60s") })
	i.await(t, 1)
	i.result(t, "bank", 1, 2)
	require.Eventually(t, func() bool {
		i.feed.mu.Lock()
		defer i.feed.mu.Unlock()
		return i.feed.looked == "2-0"
	}, time.Minute, time.Millisecond)
	i.feed.stop() // As the listener does when it is stopped.
	all.Wait()
	require.Equal(t, "2-0", shop.after)
	require.Empty(t, shop.got)
	require.Zero(t, shop.page(t, "wait", "60s"), "it does not wait any longer")
	require.Zero(t, (&feedReader{inlet: embedded(t), token: "shop-token"}).page(t, "wait", "1ms"))
}

// countedState tells how often it is asked for results.
type countedState struct {
	State
	asked chan<- struct{}
}

func (s countedState) ResultsAfter(
	ctx context.Context, after string, count int,
) (state.ResultsPage, error) {
	s.asked <- struct{}{}
	return s.State.ResultsAfter(ctx, after, count)
}

// TestAStopAnswersReadersThatWait: they need not be waited for.
func TestAStopAnswersReadersThatWait(t *testing.T) {
	t.Parallel()
	var server *listen.Server
	asked := make(chan struct{}, 1000)
	embedded(t, func(o *Options) {
		o.State = countedState{o.State, asked}
		var err error
		server, err = Listen("127.0.0.1:0", *o)
		require.NoError(t, err)
		o.Registry = prometheus.NewRegistry()
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	conn, err := net.Dial("tcp", server.Addr())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprintf(conn, "GET %s?wait=60s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"+
		"Authorization: Bearer shop-token\r\n\r\n", resultsPath)
	require.NoError(t, err)
	<-asked // Before it waits,
	<-asked // and when it has begun to.
	cancel()
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Contains(t, string(answer), "200 OK")
	require.Contains(t, string(answer), `{"results":[],"next":"0-0"}`)
	require.NoError(t, <-ended)
}

// TestReadersThatWaitLeaveRoomForSenders: they have no turn meanwhile, and are not too many.
func TestReadersThatWaitLeaveRoomForSenders(t *testing.T) {
	t.Parallel()
	i := embedded(t)
	var all sync.WaitGroup
	for range readersInHand {
		all.Go(func() { (&feedReader{inlet: i, token: "shop-token"}).page(t, "wait", "60s") })
	}
	i.await(t, readersInHand)
	require.Empty(t, i.limits.producers["shop"].turns)
	require.Equal(t, http.StatusAccepted, i.post(job("r-1", "10")).Code)
	full := i.ask(http.MethodGet, resultsPath+"?wait=60s", "")
	require.Equal(t, http.StatusServiceUnavailable, full.Code)
	require.Equal(t, "1", full.Header().Get("Retry-After"))
	require.Equal(t, http.StatusOK, i.ask(http.MethodGet, resultsPath, "").Code, "it need not wait")
	i.limits.readers += allReadersInHand - readersInHand
	require.Equal(t, http.StatusServiceUnavailable, i.ask(http.MethodGet, resultsPath+"?wait=60s", "",
		"Authorization", "Bearer bank-new").Code, "all together are too many")
	i.limits.readers -= allReadersInHand - readersInHand
	i.result(t, "shop", 1)
	all.Wait()
	require.Zero(t, i.limits.readers)
	require.Zero(t, i.limits.producers["shop"].readers)
}

// TestReadersAreToldWhenTheStateIsAway: they do not wait for what cannot come.
func TestReadersAreToldWhenTheStateIsAway(t *testing.T) {
	t.Parallel()
	i := embedded(t)
	answered := make(chan int, 1)
	go func() { answered <- i.ask(http.MethodGet, resultsPath+"?wait=60s", "").Code }()
	i.await(t, 1)
	i.redis.SetError("LOADING it replays")
	require.Equal(t, http.StatusServiceUnavailable, <-answered)
	i.redis.SetError("")
	require.Zero(t, i.feed.waiting())
	shop := &feedReader{inlet: i, token: "shop-token"}
	var all sync.WaitGroup
	all.Go(func() { shop.page(t, "wait", "60s") })
	i.await(t, 1)
	i.result(t, "shop", 1)
	all.Wait()
	require.Equal(t, []string{"r-1"}, shop.got)
}

package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/client"
	"tuma/internal/test/redistest"
)

// order is what the tests of the client send.
var order = client.Job{
	Reference: "order/1..", Campaign: "november", Recipients: []client.JobRecipient{
		{PhoneNumber: "0711000001", Amount: "10"}, {PhoneNumber: "0711000002", Amount: "20.50"},
	},
}

// clients of the producers of an inlet.
func (p *inletProcess) clients(t *testing.T) (shop, bank *client.Client) {
	t.Helper()
	shop, err := client.New(p.base+"/", "shop-token")
	require.NoError(t, err)
	bank, err = client.New(p.base, "bank-token")
	require.NoError(t, err)
	return shop, bank
}

// TestTheClientSpeaksToTheInlet makes calls of the Go client to a real enqueuer serve, and another
// producer none that reach what is not its own.
func TestTheClientSpeaksToTheInlet(t *testing.T) {
	t.Parallel()
	shop, bank := serveInlet(t, redistest.Start(t).URL()).clients(t)
	for range 2 {
		held, err := shop.Send(t.Context(), order)
		require.NoError(t, err)
		require.Equal(t, client.Held{Reference: "order/1..", Status: "accepted"}, held)
	}
	status, err := shop.Status(t.Context(), order.Reference)
	require.NoError(t, err)
	queued := client.Totals{Recipients: 2, Amounts: map[string]string{"KES": "30.50"}}
	require.Equal(t, map[string]client.Totals{"queued": queued}, status.Statuses)
	require.Equal(t, "254711000002", status.List[1].PhoneNumber)
	require.Equal(t, "november", status.List[1].Campaign)
	require.False(t, status.List[1].At.IsZero())

	listed := map[string]client.Summary{}
	for summary, err := range shop.List(t.Context(), "november") {
		require.NoError(t, err)
		listed[summary.Reference] = summary
	}
	require.Equal(t, map[string]client.Summary{order.Reference: status.Summary}, listed)
	for summary, err := range bank.List(t.Context(), "") {
		t.Fatalf("another's disbursal: %v %v", summary, err)
	}

	for recipient, err := range shop.Recipients(t.Context(), client.Search{Phone: "0711000002"}) {
		require.NoError(t, err)
		require.Equal(t, status.List[1], recipient)
		delete(listed, recipient.Reference)
	}
	require.Empty(t, listed, "it was found")
	for recipient, err := range bank.Recipients(t.Context(), client.Search{Phone: "0711000002"}) {
		t.Fatalf("another's recipient: %v %v", recipient, err)
	}

	refused := func(err error, status int) {
		t.Helper()
		var refusal *client.Error
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, status, refusal.Status)
	}
	other := order
	other.Recipients = order.Recipients[:1]
	_, err = shop.Send(t.Context(), other)
	refused(err, http.StatusConflict)
	_, err = shop.Send(t.Context(), client.Job{Reference: "faulty"})
	refused(err, http.StatusUnprocessableEntity)
	_, err = bank.Cancel(t.Context(), order.Reference)
	refused(err, http.StatusNotFound)
	_, err = bank.Status(t.Context(), order.Reference)
	refused(err, http.StatusNotFound)
}

// TestTheClientWaitsForResults: the first one comes while it waits, and another client goes on.
func TestTheClientWaitsForResults(t *testing.T) {
	t.Parallel()
	shop, _ := serveInlet(t, redistest.Start(t).URL()).clients(t)
	_, err := shop.Send(t.Context(), order)
	require.NoError(t, err)
	results := shop.Results("")
	var first client.Result
	ended := make(chan error, 1)
	go func() {
		var err error
		first, err = results.Next(t.Context())
		ended <- err
	}()
	for range 2 {
		cancelled, err := shop.Cancel(t.Context(), order.Reference)
		require.NoError(t, err)
		require.Equal(t, client.Cancelled{Cancelled: 2}, cancelled)
	}
	require.NoError(t, <-ended)
	require.Equal(t, "order/1..", first.Reference)
	require.Equal(t, "cancelled", first.Status)
	require.Empty(t, first.Producer, "it knows whose it is")
	second, err := shop.Results(results.Position()).Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"254711000001", "254711000002"},
		[]string{first.PhoneNumber, second.PhoneNumber})
	require.Equal(t, "20.50", second.Amount)
	require.False(t, second.Corrected)
}

package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strings"
)

const disbursals = "/v1/disbursals"

// pathOf is the path of a disbursal, whose reference may hold slashes and dots.
func pathOf(reference string) string {
	return disbursals + "/" + strings.ReplaceAll(url.PathEscape(reference), ".", "%2E")
}

// Send hands a job in and returns when the inlet holds it. The same job again changes nothing. An
// *Error is returned for a job that is refused: nothing of it is held.
func (c *Client) Send(ctx context.Context, job Job) (Held, error) {
	var held Held
	err := c.do(ctx, call{method: http.MethodPost, path: disbursals, body: job}, &held)
	return held, err
}

// Try says what Send would do with a job: who would be held, and why. Nothing is held of it then.
func (c *Client) Try(ctx context.Context, job Job) (Held, error) {
	var held Held
	path := disbursals + "?dry_run=true"
	err := c.do(ctx, call{method: http.MethodPost, path: path, body: job}, &held)
	return held, err
}

// Status returns where a disbursal stands, with every recipient. An *Error with status 404 is
// returned where there is none.
func (c *Client) Status(ctx context.Context, reference string) (Status, error) {
	var status Status
	err := c.do(ctx, call{method: http.MethodGet, path: pathOf(reference)}, &status)
	return status, err
}

// Cancel withdraws what of a disbursal is not on the wire, now and for ever. An *Error with status
// 404 is returned where there is none.
func (c *Client) Cancel(ctx context.Context, reference string) (Cancelled, error) {
	var cancelled Cancelled
	err := c.do(ctx, call{method: http.MethodPost, path: pathOf(reference) + "/cancel"}, &cancelled)
	return cancelled, err
}

// List goes through the producer's disbursals, newest first: all, or those of a campaign. It ends
// behind the last, or with an error.
func (c *Client) List(ctx context.Context, campaign string) iter.Seq2[Summary, error] {
	return func(yield func(Summary, error) bool) {
		query := url.Values{}
		if campaign != "" {
			query.Set("campaign", campaign)
		}
		for {
			var page listPage
			err := c.do(ctx, call{method: http.MethodGet, path: disbursals, query: query}, &page)
			if err != nil {
				yield(Summary{}, err)
				return
			}
			for _, summary := range page.Disbursals {
				if !yield(summary, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			query.Set("after", page.Next)
		}
	}
}

// Search says whom Recipients looks for: exactly one of its fields.
type Search struct {
	// Phone is a number, however it is written.
	Phone string
	// ID is your name for the recipient, ProviderReference a provider's for the payment.
	ID, ProviderReference string
}

// Recipients goes through the producer's recipients that are looked for, newest first. It ends
// behind the last, or with an error.
func (c *Client) Recipients(ctx context.Context, search Search) iter.Seq2[Recipient, error] {
	return func(yield func(Recipient, error) bool) {
		query := url.Values{}
		for name, value := range map[string]string{
			"phone": search.Phone, "id": search.ID, "provider_reference": search.ProviderReference,
		} {
			if value != "" {
				query.Set(name, value)
			}
		}
		for {
			var page recipientsPage
			err := c.do(ctx, call{
				method: http.MethodGet, path: "/v1/recipients", query: query,
			}, &page)
			if err != nil {
				yield(Recipient{}, err)
				return
			}
			for _, recipient := range page.Recipients {
				if !yield(recipient, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			query.Set("after", page.Next)
		}
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"tuma/internal/app"
	"tuma/internal/cli"
	"tuma/internal/config"
	"tuma/internal/nearest"
	"tuma/internal/state"
)

// mostBehind bounds how many results are read to count those that an endpoint has not read.
const mostBehind = 10_000

func newWebhookCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "webhook",
		Short: "Show how the webhooks to producers stand",
		Long: `Show the endpoints of producers that results are posted to (webhooks in TUMA_CONFIG): how
many results wait and since when, the last error, since when one is off and why, how many were given
up after three days of tries, and how many were trimmed before they were delivered. --json writes
JSON Lines.`,
		Example: `  enqueuer webhook
  enqueuer webhook on shop`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withApp(cmd.Context(), func(a *app.App) error {
				return listWebhooks(cmd, a, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON Lines")
	cmd.AddCommand(newWebhookOnCommand())
	return cmd
}

// webhookView is the JSON of an endpoint.
type webhookView struct {
	Name    string `json:"name"`
	Host    string `json:"host"`
	Waiting int64  `json:"waiting"`
	// Oldest is when the first result was published that waits.
	Oldest    string `json:"oldest"`
	LastError string `json:"last_error"`
	ErrorAt   string `json:"error_at"`
	Delivered string `json:"delivered_at"`
	OffSince  string `json:"off_since"`
	Why       string `json:"why"`
	GivenUp   int64  `json:"given_up"`
	Missed    int64  `json:"missed"`
	// Listed are the ids of results that were given up and can be tried again.
	Listed []string `json:"given_up_ids"`
}

func listWebhooks(cmd *cobra.Command, a *app.App, asJSON bool) error {
	views, err := webhookViews(cmd.Context(), a)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if asJSON {
		for _, v := range views {
			if err := writeJSON(out, v); err != nil {
				return err
			}
		}
		return nil
	}
	if len(views) == 0 {
		fmt.Fprintln(out, "there are no webhooks: TUMA_CONFIG lists none, and no poller ever had one")
		return nil
	}
	writeWebhooks(out, views, stamps(a, out))
	return nil
}

func writeWebhooks(out io.Writer, views []webhookView, at func(time.Time) string) {
	stamp := func(text string) string {
		if instant, err := time.Parse(time.RFC3339Nano, text); err == nil {
			return at(instant)
		}
		return "–"
	}
	t := newTable("name", "host", "#waiting", "oldest", "delivered", "#given up", "#missed", "state",
		"last error")
	for _, v := range views {
		word, last := "on", "–"
		if v.OffSince != "" {
			word = "off since " + stamp(v.OffSince) + ": " + v.Why
		}
		if v.LastError != "" {
			last = stamp(v.ErrorAt) + " " + v.LastError
		}
		t.add(v.Name, v.Host, number(v.Waiting), stamp(v.Oldest), stamp(v.Delivered),
			number(v.GivenUp), number(v.Missed), word, last)
	}
	t.write(out)
}

// webhookViews are the endpoints of these settings, and others that a poller ever had.
func webhookViews(ctx context.Context, a *app.App) ([]webhookView, error) {
	list, err := a.Store.Webhooks(ctx)
	if err != nil {
		return nil, err
	}
	for _, w := range a.Config.Webhooks {
		if !slices.ContainsFunc(list, func(at state.Webhook) bool { return at.Endpoint == w.Name }) {
			list = append(list, state.Webhook{Endpoint: w.Name})
		}
	}
	var views []webhookView
	for i := range list {
		w := &list[i]
		settings := webhookSettings(a.Config, w.Endpoint)
		v := webhookView{
			Name: w.Endpoint, Host: "not in these settings", Waiting: w.Waiting, LastError: w.Err,
			ErrorAt: instantText(w.ErrAt), Delivered: instantText(w.DeliveredAt),
			OffSince: instantText(w.Off), Why: w.Why, GivenUp: w.GivenUp, Missed: w.Missed,
			Listed: slices.Concat([]string{}, w.Listed),
		}
		first := w.First
		if settings != nil {
			v.Host = settings.Host()
			behind, next, err := unreadBy(ctx, a, settings, w.Cursor)
			if err != nil {
				return nil, err
			}
			v.Waiting += behind
			if first == "" {
				first = next
			}
		}
		v.Oldest = instantText(state.PublishedAt(first))
		views = append(views, v)
	}
	return views, nil
}

func webhookSettings(c *config.Config, name string) *config.Webhook {
	for _, w := range c.Webhooks {
		if w.Name == name {
			return w
		}
	}
	return nil
}

// unreadBy counts the results that are for an endpoint and behind its cursor, among the next
// mostBehind, and returns the first.
func unreadBy(
	ctx context.Context, a *app.App, w *config.Webhook, cursor string,
) (n int64, first string, err error) {
	if cursor == "" {
		return 0, "", nil
	}
	page, err := a.Store.ResultsAfter(ctx, cursor, mostBehind)
	if errors.Is(err, state.ErrTrimmed) {
		page, err = a.Store.ResultsAfter(ctx, "", mostBehind)
	}
	for _, r := range page.Results {
		if w.Wants(r.Producer, r.Fields["campaign"]) {
			if n == 0 {
				first = r.ID
			}
			n++
		}
	}
	return n, first, err
}

// instantText spells an instant; empty for none.
func instantText(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339Nano)
}

func newWebhookOnCommand() *cobra.Command {
	who := ""
	cmd := &cobra.Command{
		Use:   "on NAME",
		Short: "Switch an endpoint on again",
		Long: `Switch an endpoint on again that was switched off by its own answer 410. It continues where
it stopped. What was given up after three days is tried again, too, if the results stream still has
it, also of an endpoint that is on.`,
		Example: `  enqueuer webhook on shop`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			setWho(&who)
			return withApp(cmd.Context(), func(a *app.App) error {
				return switchWebhookOn(cmd, a, args[0], who)
			})
		},
	}
	addWho(cmd, &who)
	return cmd
}

func switchWebhookOn(cmd *cobra.Command, a *app.App, name, who string) error {
	list, err := a.Store.Webhooks(cmd.Context())
	if err != nil {
		return err
	}
	var known []string
	for i := range list {
		known = append(known, list[i].Endpoint)
	}
	if !slices.Contains(known, name) {
		if len(known) == 0 {
			return cli.Usagef("NAME: there is no webhook %q; no poller ever had one", name)
		}
		return cli.Usagef("NAME: there is no webhook %q; did you mean %s?", name,
			nearest.Of(name, known))
	}
	off, again, err := a.Store.SwitchWebhookOn(cmd.Context(), name)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if off.IsZero() {
		fmt.Fprintf(out, "%s was on\n", name)
	} else {
		fmt.Fprintf(out, "%s is on; it was off since %s\n", name, stamps(a, out)(off))
	}
	if again > 0 {
		fmt.Fprintf(out, "tried again, having been given up: %s\n", cli.Plural(again, "result"))
	}
	log := personLog(a)
	log.Info("webhook switched on by a person", zap.String("endpoint", name),
		zap.String("who", who), zap.Int("results", again))
	return nil
}

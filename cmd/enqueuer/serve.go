package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/oklog/run"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"tuma/internal/app"
	"tuma/internal/intake/api"
	"tuma/internal/listen"
	"tuma/internal/state"
)

func newServeCommand() *cobra.Command {
	var otherRules bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Take jobs over HTTP, until stopped",
		Long: `Take jobs over HTTP at TUMA_HTTP_ADDR (default 127.0.0.1:8080), until stopped. Any
number of processes may run. A job is answered with 202 only after the state holds it, and with 200
when it comes again. Producers have a token each (TUMA_HTTP_TOKENS, producer=token pairs with commas
between them; producer:send+read=token for some scopes only), and references of their own, which are
kept as producer/reference; without tokens only programs on this machine are served. GET
/openapi.yaml describes the routes. /healthz, /readyz and /metrics are at TUMA_OPS_ADDR (default
:9103).`,
		Example: `  TUMA_HTTP_TOKENS=shop=s3cret enqueuer serve

  curl -i 127.0.0.1:8080/v1/disbursals -H 'Authorization: Bearer s3cret' --json '
    {"reference":"r-1","recipients":[{"phone_number":"0711000000","amount":"10"}]}'
  curl 127.0.0.1:8080/v1/disbursals/r-1 -H 'Authorization: Bearer s3cret'
  curl -X POST 127.0.0.1:8080/v1/disbursals/r-1/cancel -H 'Authorization: Bearer s3cret'
  curl '127.0.0.1:8080/v1/results?wait=30s' -H 'Authorization: Bearer s3cret'
  curl -G 127.0.0.1:8080/airtime/invoke-send-airtime -H 'Authorization: Bearer s3cret' \
    -d phone=254711000000 -d amount=10 -d currency=KES -d idempotencyKey=r-2`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return app.Serve(cmd.Context(), app.Process{
				OpsAddr: ":9103", Add: withRules(cmd.Context(), &otherRules, addInlet),
			})
		},
	}
	addOtherRules(cmd, &otherRules)
	return cmd
}

// addInlet adds the HTTP inlet to the process.
func addInlet(a *app.App, g *run.Group) error {
	options := api.Options{
		State: a.Store, Accept: a.Inlet().Accept, Rules: a.Rules,
		Status:          writeStatus,
		Summary:         func(sum state.Summary) any { return viewOf(sum) },
		Recipient:       func(r state.Row) any { return rowJSON(r) },
		AirtimeProvider: a.Config.AirtimeProvider(), Registry: a.Registry, Log: a.Log,
	}
	if a.Config.HTTPTokens.IsSet() {
		options.Tokens = a.Config.HTTPTokens.Value
		options.Wrong = listen.NewWrongSecrets("http", a.Registry, a.Log)
	}
	server, err := api.Listen(a.Config.HTTPAddr, options)
	if err != nil {
		return err
	}
	app.AddLoop(g, server.Run)
	a.Log.Info("taking jobs", zap.String("http", server.Addr()))
	return nil
}

// rowJSON is a row as a report in JSON has it.
func rowJSON(r state.Row) json.RawMessage {
	var text bytes.Buffer
	w := bufio.NewWriter(&text)
	_ = errors.Join(writeObject(w, r), w.Flush()) // Texts, into memory.
	return text.Bytes()
}

// writeStatus writes the JSON of status with recipients. Nothing of the last rows is written when
// they could not be read: what is cut short must not look whole.
func writeStatus(
	w io.Writer, sum state.Summary, rows func(each func(state.Row) error) error,
) error {
	head, err := json.Marshal(viewOf(sum))
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	out := newRowWriter(w)
	out.text(string(bytes.TrimSuffix(head, []byte("}"))) + `,"recipients_list":[`)
	separator := ""
	err = rows(func(r state.Row) error {
		out.text(separator)
		separator = ","
		return out.object(r)
	})
	if err != nil {
		return err
	}
	out.text("]}\n")
	return out.flush()
}

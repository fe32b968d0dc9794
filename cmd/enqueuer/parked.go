package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"tuma/internal/app"
	"tuma/internal/state"
)

func newParkedCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "parked",
		Short: "List callbacks that fit no recipient yet",
		Long: `List the callbacks of providers that fit no recipient, or wait for a query that
confirms them, the oldest first. They are tried again by themselves, and given up after nine days.
One that stays may be a payment that Tuma did not ask for: compare it with the provider's portal.`,
		Example: `  enqueuer indoubt parked
  enqueuer indoubt parked --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withApp(cmd.Context(), func(a *app.App) error {
				list, err := a.Store.Parked(cmd.Context())
				if err != nil {
					return err
				}
				return printParked(cmd.OutOrStdout(), list, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON Lines")
	return cmd
}

// parkedView is a parked callback as --json shows it.
type parkedView struct {
	Since             time.Time `json:"since"`
	Provider          string    `json:"provider"`
	ProviderReference string    `json:"provider_reference"`
	PhoneNumber       string    `json:"phone_number"`
	Amount            string    `json:"amount"`
	Currency          string    `json:"currency"`
	Status            string    `json:"status"`
	Message           string    `json:"message"`
}

func viewParked(p state.Parked) parkedView {
	v := parkedView{
		Since: p.Since, Provider: p.Provider, ProviderReference: p.ProviderReference,
		PhoneNumber: p.Phone.Digits(), Message: p.Message,
	}
	if p.Amount.Currency != "" {
		v.Amount, v.Currency = p.Amount.Decimal(), string(p.Amount.Currency)
	}
	if p.Status.Valid() {
		v.Status = p.Status.String()
	}
	return v
}

func printParked(w io.Writer, list []state.Parked, asJSON bool) error {
	if asJSON {
		lines := json.NewEncoder(w)
		for _, p := range list {
			if err := lines.Encode(viewParked(p)); err != nil {
				return err
			}
		}
		return nil
	}
	if len(list) == 0 {
		fmt.Fprintln(w, "no callback is parked")
		return nil
	}
	t := newTable("since", "provider", "provider reference", "phone number", "#amount", "status",
		"message")
	for _, p := range list {
		v := viewParked(p)
		t.add(v.Since.Format(time.RFC3339), v.Provider, v.ProviderReference, v.PhoneNumber,
			v.Currency+" "+v.Amount, v.Status, v.Message)
	}
	t.write(w)
	return nil
}

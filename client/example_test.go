package client_test

import (
	"context"
	"errors"
	"log"
	"net/http"

	"tuma/client"
)

// Read results for ever. The position is stored together with them, so that a process that is
// started again goes on where it was.
func ExampleClient_Results() {
	var position string                     // As it was stored last.
	store := func(client.Result, string) {} // Stands for your own tables, written in one transaction.
	tuma, err := client.New("https://tuma.example:8080", "token")
	if err != nil {
		log.Fatal(err)
	}
	results := tuma.Results(position)
	for result, err := range results.All(context.Background()) {
		var refused *client.Error
		if errors.As(err, &refused) && refused.Status == http.StatusGone {
			log.Fatal("some results are gone: ask for the Status of what is not settled yet")
		}
		if err != nil {
			log.Fatal(err)
		}
		store(result, results.Position())
	}
}

// Go through what was sent for a campaign.
func ExampleClient_List() {
	tuma, err := client.New("https://tuma.example:8080", "token")
	if err != nil {
		log.Fatal(err)
	}
	for disbursal, err := range tuma.List(context.Background(), "november") {
		if err != nil {
			log.Fatal(err)
		}
		log.Print(disbursal.Reference, disbursal.Settled, disbursal.Statuses["failed"].Recipients)
	}
}

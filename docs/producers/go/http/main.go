// Command http sends airtime to one phone over HTTP: http REFERENCE PHONE AMOUNT.
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"tuma/client"
)

func main() {
	inlet := flag.String("inlet", "http://127.0.0.1:8080", "where enqueuer serve listens")
	file := flag.String("token-file", "", "file with the token")
	flag.Parse()
	if flag.NArg() != 3 {
		log.Fatal("usage: http REFERENCE PHONE AMOUNT")
	}
	token, err := os.ReadFile(*file)
	if err != nil {
		log.Fatal(err)
	}
	tuma, err := client.New(*inlet, strings.TrimSpace(string(token)))
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// Send asks until it is answered. Its reference makes any number of tries one payment.
	held, err := tuma.Send(ctx, client.Job{
		Reference:  flag.Arg(0),
		Recipients: []client.JobRecipient{{PhoneNumber: flag.Arg(1), Amount: flag.Arg(2)}},
	})
	if err != nil {
		stop()
		log.Fatal(err)
	}
	log.Printf("%s is %s", held.Reference, held.Status)
}

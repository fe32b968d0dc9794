// Command stream sends airtime to one phone by the jobs stream: stream REFERENCE PHONE AMOUNT.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"

	"github.com/redis/go-redis/v9"
)

type recipient struct {
	PhoneNumber string `json:"phone_number"`
	Amount      string `json:"amount"`
}

type job struct {
	Reference  string      `json:"reference"`
	Recipients []recipient `json:"recipients"`
}

func main() {
	at := flag.String("redis", "redis://127.0.0.1:6379/0", "where Redis is, with user and password")
	flag.Parse()
	if flag.NArg() != 3 {
		log.Fatal("usage: stream REFERENCE PHONE AMOUNT")
	}
	options, err := redis.ParseURL(*at)
	if err != nil {
		log.Fatal(err)
	}
	client := redis.NewClient(options)
	id, err := send(context.Background(), client, job{
		Reference:  flag.Arg(0),
		Recipients: []recipient{{PhoneNumber: flag.Arg(1), Amount: flag.Arg(2)}},
	})
	if err != nil {
		log.Fatalf("not confirmed: send the same job again, with the same reference: %v", err)
	}
	log.Printf("on the stream as %s", id)
}

// send appends a job to the stream. go-redis repeats the command when its answer is lost: two
// entries with the same reference and content are one disbursal.
func send(ctx context.Context, client *redis.Client, j job) (id string, err error) {
	text, err := json.Marshal(j)
	if err != nil {
		return "", fmt.Errorf("encode the job: %w", err)
	}
	return client.XAdd(ctx, &redis.XAddArgs{
		Stream: "{tuma}:jobs", Values: []string{"job", string(text)},
	}).Result()
}

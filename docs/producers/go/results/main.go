// Command results reads how recipients ended, until it is stopped.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

const stream, group = "{tuma}:results", "shop"

func main() {
	at := flag.String("redis", "redis://127.0.0.1:6379/0", "where Redis is, with user and password")
	consumer := flag.String("consumer", "shop-1", "name of this process in the group: always the same")
	flag.Parse()
	options, err := redis.ParseURL(*at)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := read(ctx, redis.NewClient(options), *consumer); ctx.Err() == nil {
		stop()
		log.Fatal(err)
	}
}

// read reads results as a member of the group. It begins with those that this consumer was given
// before and has not acknowledged, since it may have stopped between keeping and acknowledging. The
// error that ends it is returned: start it again, and nothing is lost.
func read(ctx context.Context, client *redis.Client, consumer string) error {
	err := client.XGroupCreateMkStream(ctx, stream, group, "0").Err()
	if err != nil && !strings.HasPrefix(err.Error(), "BUSYGROUP") {
		return err
	}
	for after := "0"; ; {
		read, err := client.XReadGroup(ctx, &redis.XReadGroupArgs{
			Group: group, Consumer: consumer, Streams: []string{stream, after},
			Count: 100, Block: time.Second,
		}).Result()
		if errors.Is(err, redis.Nil) {
			continue // Nothing new for a second.
		}
		if err != nil {
			return err
		}
		if len(read[0].Messages) == 0 {
			after = ">" // Nothing is left from before: now what is new.
		}
		for _, result := range read[0].Messages {
			keep(result.Values)
			if err := client.XAck(ctx, stream, group, result.ID).Err(); err != nil {
				return err
			}
		}
	}
}

// keep stands for your own table, with one row for reference and phone number: the later result
// replaces the former, so that reading one twice changes nothing and a correction counts.
func keep(result map[string]any) {
	log.Printf("%v: %v %v, %v %v, corrected: %v", result["reference"], result["currency"],
		result["amount"], result["status"], result["reason"], result["corrected"])
}

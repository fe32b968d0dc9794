// Command task sends airtime to one phone as an asynq task: task REFERENCE PHONE AMOUNT.
package main

import (
	"encoding/json"
	"flag"
	"log"

	"github.com/hibiken/asynq"
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
	addr := flag.String("addr", "127.0.0.1:6379", "where Redis is")
	user := flag.String("user", "", "user of Redis")
	password := flag.String("password", "", "its password")
	flag.Parse()
	if flag.NArg() != 3 {
		log.Fatal("usage: task REFERENCE PHONE AMOUNT")
	}
	payload, err := json.Marshal(job{
		Reference:  flag.Arg(0),
		Recipients: []recipient{{PhoneNumber: flag.Arg(1), Amount: flag.Arg(2)}},
	})
	if err != nil {
		log.Fatal(err)
	}
	client := asynq.NewClient(asynq.RedisClientOpt{
		Addr: *addr, Username: *user, Password: *password,
	})
	// No asynq.TaskID and no asynq.Unique: the reference is what makes a repetition harmless.
	task, err := client.Enqueue(asynq.NewTask("disbursal:accept", payload),
		asynq.Queue("disbursals"))
	if err != nil {
		log.Fatalf("not confirmed: send the same job again, with the same reference: %v", err)
	}
	log.Printf("task %s", task.ID)
}

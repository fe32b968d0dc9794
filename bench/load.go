package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// firstPhone is the number of the first recipient; the others follow.
const firstPhone = 254700000000

// phone is the number of a recipient, amount what they get, in KES.
func phone(i int) string  { return strconv.Itoa(firstPhone + i) }
func amount(i int) string { return strconv.Itoa(10 + i%50) }

// writeCSV writes a file for `enqueuer import` and returns its path.
func (h *harness) writeCSV(name string, first, recipients int) (path string, err error) {
	path = filepath.Join(h.folder, name+".csv")
	file, err := os.Create(path)
	if err != nil {
		return "", fmt.Errorf("write the file to import: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	to := bufio.NewWriterSize(file, 1<<20)
	fmt.Fprintln(to, "phone_number,amount")
	for i := first; i < first+recipients; i++ {
		fmt.Fprintf(to, "%s,%s\n", phone(i), amount(i))
	}
	return path, to.Flush()
}

// job is what a producer pushes for one recipient.
func job(i int) string {
	return `{"reference":"job-` + strconv.Itoa(i) + `","recipients":[{"phone_number":"` + phone(i) +
		`","amount":"` + amount(i) + `"}]}`
}

// push pushes jobs of one recipient each onto the jobs stream, in one round trip.
func (h *harness) push(ctx context.Context, first, jobs int) error {
	pipe := h.rdb.Pipeline()
	for i := first; i < first+jobs; i++ {
		pipe.XAdd(ctx, &redis.XAddArgs{Stream: "{tuma}:jobs", Values: []string{"job", job(i)}})
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("push jobs: %w", err)
	}
	return nil
}

// pushAtOnce is how many jobs one round trip of a busy producer holds.
const pushAtOnce = 500

// pushAll pushes jobs as fast as Redis takes them.
func (h *harness) pushAll(ctx context.Context, jobs int) error {
	for first := 0; first < jobs; first += pushAtOnce {
		if err := h.push(ctx, first, min(pushAtOnce, jobs-first)); err != nil {
			return err
		}
	}
	return nil
}

// pushSteadily pushes jobs at a rate a second and returns when each was pushed.
func (h *harness) pushSteadily(ctx context.Context, first, jobs, rate int) ([]time.Time, error) {
	pushed := make([]time.Time, 0, jobs)
	begin := time.Now()
	for len(pushed) < jobs {
		now := time.Now()
		due := min(jobs, int(now.Sub(begin).Seconds()*float64(rate))) - len(pushed)
		if due > 0 {
			if err := h.push(ctx, first+len(pushed), due); err != nil {
				return nil, err
			}
			for range due {
				pushed = append(pushed, now)
			}
		}
		time.Sleep(time.Millisecond)
	}
	return pushed, nil
}

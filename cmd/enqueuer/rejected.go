package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"tuma/internal/app"
	"tuma/internal/cli"
	"tuma/internal/state"
)

// rejectedOptions are the flags of "enqueuer rejected".
type rejectedOptions struct {
	limit int
	json  bool
}

// mostRejected bounds what one command reads of the stream: an entry may hold 64 KiB of a job.
const mostRejected = 10_000

func newRejectedCommand() *cobra.Command {
	var options rejectedOptions
	cmd := &cobra.Command{
		Use:   "rejected",
		Short: "List the jobs that could not be accepted, newest first",
		Long: `List the jobs that could not be accepted, newest first: when, where from, why, and how
long they were. --json writes JSON Lines with the job as it was received, its first 64 KiB. They are
kept for TUMA_STREAM_AGE. The producer corrects a job and sends it under the same reference.`,
		Example: `  enqueuer rejected
  enqueuer rejected --json --limit 1`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if options.limit < 1 || options.limit > mostRejected {
				return cli.Usagef("--limit: %d is not from 1 to %d", options.limit, mostRejected)
			}
			return withApp(cmd.Context(), func(a *app.App) error { return listRejected(cmd, a, options) })
		},
	}
	cmd.Flags().IntVar(&options.limit, "limit", 50, "at most so many")
	cmd.Flags().BoolVar(&options.json, "json", false, "write JSON Lines, with the jobs")
	return cmd
}

// rejectedView is the JSON of a rejected job.
type rejectedView struct {
	At     string `json:"at"`
	Source string `json:"source"`
	Error  string `json:"error"`
	Bytes  int64  `json:"bytes"`
	Job    string `json:"job"`
}

func listRejected(cmd *cobra.Command, a *app.App, options rejectedOptions) error {
	jobs, err := a.Store.RejectedJobs(cmd.Context(), options.limit)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if options.json {
		for _, j := range jobs {
			if err := writeJSON(out, rejectedView{j.At, j.Source, j.Err, j.Bytes, j.Job}); err != nil {
				return err
			}
		}
		return nil
	}
	if len(jobs) == 0 {
		fmt.Fprintln(out, "nothing was rejected lately")
		return nil
	}
	at := stamps(a, out)
	t := newTable("at", "source", "error", "#bytes")
	for _, j := range jobs {
		t.add(rejectedAt(j, at), j.Source, j.Err, number(j.Bytes))
	}
	t.write(out)
	return nil
}

// rejectedAt is when a job was rejected, for people; as it was written where that is no instant.
func rejectedAt(j state.RejectedJob, at func(time.Time) string) string {
	instant, err := time.Parse(time.RFC3339Nano, j.At)
	if err != nil {
		return j.At
	}
	return at(instant)
}

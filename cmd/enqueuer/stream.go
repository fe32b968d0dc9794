package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"

	"github.com/oklog/run"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"tuma/internal/app"
	"tuma/internal/intake"
	"tuma/internal/state"
)

func newStreamCommand() *cobra.Command {
	var otherRules bool
	cmd := &cobra.Command{
		Use:   "stream",
		Short: "Take jobs from the Redis stream, until stopped",
		Long: `Take jobs from the Redis stream {tuma}:jobs as consumer group "enqueuer", until
stopped. Any number of processes may run. An entry is acknowledged and deleted only after the state
holds it; what cannot be accepted goes to the stream {tuma}:rejected with the reason. /healthz,
/readyz and /metrics are at TUMA_OPS_ADDR (default :9103).`,
		Example: `  enqueuer stream
  redis-cli XADD '{tuma}:jobs' '*' job '{"reference":"r-1","recipients":[…]}'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return app.Serve(cmd.Context(), app.Process{
				OpsAddr: ":9103", Add: withRules(cmd.Context(), &otherRules, addStream),
			})
		},
	}
	addOtherRules(cmd, &otherRules)
	return cmd
}

// addOtherRules adds the flag of what may route by other rules than the workers.
func addOtherRules(cmd *cobra.Command, allowed *bool) {
	cmd.Flags().BoolVar(allowed, "allow-other-rules", false,
		"go on although the routing rules here are not those of the workers")
}

// withRules adds a process only where its routing rules are those of the workers, or may differ.
func withRules(
	ctx context.Context, allowed *bool, add func(*app.App, *run.Group) error,
) func(*app.App, *run.Group) error {
	return func(a *app.App, g *run.Group) error {
		if !*allowed {
			if err := a.CheckRules(ctx); err != nil {
				return err
			}
		}
		return add(a, g)
	}
}

// addStream adds the consumer to the process.
func addStream(a *app.App, g *run.Group) error {
	consumer, err := consumerName()
	if err != nil {
		return err
	}
	stream := &intake.Stream{
		Jobs: a.Store, Accept: a.Inlet().Accept, Rules: a.Rules, Consumer: consumer,
		Count: jobsCounter(a.Registry), Log: a.Log,
	}
	app.AddLoop(g, stream.Run)
	return nil
}

// consumerName is a name that no other consumer has: a process id alone repeats in containers.
func consumerName() (string, error) {
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("name the consumer: %w", err)
	}
	return fmt.Sprintf("%s-%d-%08x", host, os.Getpid(), rand.Uint32()), nil
}

// jobsCounter registers the metric of what became of jobs; all words start at zero.
func jobsCounter(registry prometheus.Registerer) func(string, int) {
	jobs := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tuma_stream_jobs_total",
		Help: "Jobs taken from the jobs stream, by what became of them.",
	}, []string{"outcome"})
	registry.MustRegister(jobs)
	words := []string{intake.Invalid}
	for o := state.Accepted; o <= state.Cancelled; o++ {
		words = append(words, o.String())
	}
	for _, word := range words {
		jobs.WithLabelValues(word)
	}
	return func(word string, n int) { jobs.WithLabelValues(word).Add(float64(n)) }
}

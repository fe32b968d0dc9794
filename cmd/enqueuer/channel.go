package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"tuma/internal/app"
	"tuma/internal/cli"
	"tuma/internal/nearest"
	"tuma/internal/state"
	"tuma/internal/tasks"
)

// channelOptions are the flags of "enqueuer channel pause" and "resume".
type channelOptions struct {
	who, note string
	all       bool
}

func newChannelCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "channel",
		Short: "Stop sending to a provider, and go on",
		Example: `  enqueuer channel pause --all --note "wrong amounts in the list of Monday"
  enqueuer channel resume lipad`,
	}
	cmd.AddCommand(newChannelPauseCommand(), newChannelResumeCommand())
	return cmd
}

func newChannelPauseCommand() *cobra.Command {
	var options channelOptions
	cmd := &cobra.Command{
		Use:   "pause PROVIDER...",
		Short: "Send nothing to a provider until a person resumes it",
		Long: `Send nothing to a provider until a person resumes it, whatever the provider answers
meanwhile. Requests on the wire are finished and recorded, and what was submitted is followed
further. Recipients stay queued there: no routing rule moves them while a person's pause stands.
It is kept with who, when and note, and shown by enqueuer status and doctor.`,
		Example: `  enqueuer channel pause lipad --note "their ticket 4711"
  enqueuer channel pause --all`,
		RunE: options.run(pauseChannel),
	}
	options.addFlags(cmd)
	return cmd
}

func newChannelResumeCommand() *cobra.Command {
	var options channelOptions
	cmd := &cobra.Command{
		Use:   "resume PROVIDER...",
		Short: "End a person's pause of a provider",
		Long: `End a person's pause of a provider, and a pause of its queue in the asynq dashboard,
also of a queue that asynq has removed. A pause that the provider's answers brought about goes on:
it ends by itself. The queues poll and disbursals can be named, too.`,
		Example: `  enqueuer channel resume lipad
  enqueuer channel resume --all`,
		RunE: options.run(resumeChannel),
	}
	options.addFlags(cmd)
	return cmd
}

func (o *channelOptions) addFlags(cmd *cobra.Command) {
	cmd.Args = cobra.ArbitraryArgs
	addWho(cmd, &o.who)
	cmd.Flags().StringVar(&o.note, "note", "", "why; it is kept and shown")
	cmd.Flags().BoolVar(&o.all, "all", false, "all providers")
}

// channelAct pauses or resumes one channel.
type channelAct func(
	ctx context.Context, a *app.App, o *channelOptions, name string, w io.Writer,
) error

// run acts on each of the named channels.
func (o *channelOptions) run(act channelAct) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if o.all == (len(args) > 0) {
			return cli.Usagef("name the providers, or say --all")
		}
		setWho(&o.who)
		return withApp(cmd.Context(), func(a *app.App) error {
			known := slices.Sorted(maps.Keys(a.Rules.Providers))
			names := args
			if o.all {
				names = known
			}
			queues := cmd.Name() == "resume"
			if queues {
				known = append(known, tasks.QueuePoll, tasks.QueueDisbursals)
			}
			for _, name := range names {
				if !slices.Contains(known, name) {
					return noProvider(name, known)
				}
			}
			for _, name := range names {
				if err := act(cmd.Context(), a, o, name, cmd.OutOrStdout()); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// noProvider refuses a PROVIDER that is none of those that may be named.
func noProvider(name string, known []string) error {
	return cli.Usagef("PROVIDER: there is no %q; did you mean %s? Nothing was changed", name,
		nearest.Of(name, known))
}

func pauseChannel(
	ctx context.Context, a *app.App, o *channelOptions, name string, w io.Writer,
) error {
	pause, set, err := a.Store.PauseChannel(ctx, name, o.who, o.note)
	if err != nil {
		return err
	}
	word := "is paused"
	if set {
		log := personLog(a)
		log.Info("channel paused by a person", zap.String("provider", name),
			zap.String("who", o.who), zap.String("note", o.note))
	} else {
		word = "was paused before"
	}
	fmt.Fprintf(w, "%s %s %s; requests on the wire are finished, nothing else is sent\n", name, word,
		describePause(pause, stamps(a, w)))
	return nil
}

func resumeChannel(
	ctx context.Context, a *app.App, o *channelOptions, name string, w io.Writer,
) error {
	var ended []string
	if _, provider := a.Rules.Providers[name]; provider {
		pause, wakeup, err := a.Store.ResumeChannel(ctx, name, o.who, o.note)
		if err != nil {
			return err
		}
		if pause != nil {
			ended = append(ended, "it was paused "+describePause(pause, stamps(a, w)))
			a.Queues.Wake(ctx, wakeup)
		}
	}
	queue, err := resumeQueue(ctx, a, o.who, name)
	if err != nil {
		return err
	}
	if queue {
		ended = append(ended, "its queue was paused in the asynq dashboard")
	}
	if len(ended) == 0 {
		fmt.Fprintf(w, "%s was not paused by a person\n", name)
	} else {
		log := personLog(a)
		log.Info("channel resumed by a person", zap.String("provider", name),
			zap.String("who", o.who), zap.String("note", o.note))
		fmt.Fprintf(w, "%s is resumed: %s\n", name, strings.Join(ended, ", and "))
	}
	return stillPaused(ctx, a.Store, name, w)
}

// resumeQueue ends a pause of a queue in the dashboard, and reports whether there was one. Both are
// kept in the audit; a pause that no poller has seen yet, first.
func resumeQueue(ctx context.Context, a *app.App, who, name string) (bool, error) {
	if err := a.Queues.NotePauses(ctx, a.Store, tasks.ByDashboard, name); err != nil {
		return false, err
	}
	resumed, err := a.Queues.Resume(ctx, name)
	if err != nil || !resumed {
		return false, err
	}
	return true, a.Queues.NotePauses(ctx, a.Store, who, name)
}

// stillPaused says that a channel is also paused for a reason of the provider's.
func stillPaused(ctx context.Context, s *state.Store, name string, w io.Writer) error {
	channels, err := s.Channels(ctx)
	if err != nil {
		return err
	}
	for _, c := range channels {
		if c.Provider == name && c.Paused > 0 {
			fmt.Fprintf(w, "%s stays paused for %s more: %s; it is tried again by itself\n", name,
				seconds(c.Paused), orUnknown(c.PauseReason))
		}
	}
	return nil
}

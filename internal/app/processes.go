package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/oklog/run"
	"go.uber.org/zap"

	"tuma/internal/callback"
	"tuma/internal/config"
	"tuma/internal/listen"
	"tuma/internal/tasks"
	"tuma/internal/webhook"
)

// finish is what a shutdown takes beyond the longest provider request: to record its answer, to
// requeue, and to close.
const finish = 10 * time.Second

// ShutdownBudget is the longest that a clean stop of any process takes. Whoever stops one must
// wait longer before killing it.
func ShutdownBudget(c *config.Config) time.Duration { return c.SubmitTimeout + finish }

// AddLoop adds a loop to a group: it ends the group when it returns, and is cancelled with it.
func AddLoop(g *run.Group, body func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	g.Add(func() error { return body(ctx) }, func(error) { cancel() })
}

// AddSignal ends the group when the context ends.
func AddSignal(ctx context.Context, g *run.Group) {
	done := make(chan struct{})
	g.Add(func() error {
		select {
		case <-ctx.Done():
		case <-done:
		}
		return nil
	}, func(error) { close(done) })
}

// AddWorker adds what a worker runs: one server per provider that is on, one for disbursal:accept,
// and a sweeper.
func (a *App) AddWorker(g *run.Group) error {
	if len(a.Entries) == 0 {
		return noProvider(a.Config)
	}
	stopping := make(chan struct{})
	for _, name := range a.names() {
		err := a.addServer(g, name, tasks.TypeSubmit, a.Config.MaxInFlight, &tasks.Submit{
			Store: a.Store, Queues: a.Queues, Entry: a.Entries[name], Backoff: a.backoff(),
			Metrics: a.metrics, Log: a.Log, Stopping: stopping,
			Failover: a.failover(),
		})
		if err != nil {
			return err
		}
	}
	if err := a.addServer(g, tasks.QueueDisbursals, tasks.TypeAccept, a.Config.Concurrency,
		a.acceptor()); err != nil {
		return err
	}
	a.AddSweeper(g)
	AddLoop(g, a.keepRules)
	rerouter := &tasks.Rerouter{
		Store: a.Store, Queues: a.Queues, Failover: a.failover(),
		Interval: a.Config.SweepInterval, Log: a.Log,
	}
	AddLoop(g, rerouter.Run)
	// No handler claims another batch once the group ends.
	g.Add(func() error { <-stopping; return nil }, func(error) { close(stopping) })
	return nil
}

// noProvider says what is missing where no provider is on.
func noProvider(c *config.Config) error {
	if len(c.Instances) == 0 {
		return errors.New("no provider is configured: the list providers in TUMA_CONFIG is empty")
	}
	first := c.Instances[0]
	var names []string
	for _, s := range first.Spec.Settings {
		if s.Needed {
			names = append(names, first.Called(s.Key))
		}
	}
	return fmt.Errorf("no provider is configured: set its credentials (for %s %s)",
		first.Spec.Title, strings.Join(names, ", "))
}

func (a *App) acceptor() *tasks.Accept {
	return &tasks.Accept{Inlet: a.Inlet(), Rules: a.Rules}
}

func (a *App) failover() tasks.Failover {
	return tasks.Failover{Rules: a.Config.Routing, Entries: a.Entries}
}

// AddPoller adds what a poller runs: the query server, the loops that hand queries out and ask for
// balances, webhooks, the callback listener, a sweeper.
func (a *App) AddPoller(g *run.Group) error {
	poll := &tasks.Poll{
		Store: a.Store, Queues: a.Queues, Entries: a.Entries, Known: a.Rules.Providers,
		Backoff: a.backoff(), Many: make(chan struct{}, max(1, a.Config.Concurrency/2)),
		Timeout: a.Config.SubmitTimeout, Redeliver: a.Config.SubmitTimeout + finish,
		Metrics: a.metrics, Log: a.Log,
	}
	err := a.addServer(g, tasks.QueuePoll, tasks.TypePoll, a.Config.Concurrency, poll)
	if err != nil {
		return err
	}
	due := &tasks.Due{
		Store: a.Store, Queues: a.Queues, Log: a.Log,
		Redeliver: poll.Redeliver,
	}
	AddLoop(g, due.Run)
	mirror := &tasks.Mirror{
		Store: a.Store, Queues: a.Queues, Due: due, Interval: a.Config.SweepInterval, Log: a.Log,
	}
	AddLoop(g, mirror.Run)
	pauses := &tasks.PauseWatch{
		Store: a.Store, Queues: a.Queues, Interval: a.Config.SweepInterval, Log: a.Log,
	}
	AddLoop(g, pauses.Run)
	floats := &tasks.Floats{
		Store: a.Store, Entries: a.Entries, Timeout: a.Config.SubmitTimeout, Log: a.Log,
	}
	AddLoop(g, floats.Run)
	if err := a.addWebhooks(g); err != nil {
		return err
	}
	a.AddSweeper(g)
	return a.addCallbacks(g)
}

// addWebhooks adds what posts results to the endpoints of producers, if there are any: a server
// with handlers for each of them, and the loop that hands deliveries out.
func (a *App) addWebhooks(g *run.Group) error {
	if len(a.Config.Webhooks) == 0 {
		return nil
	}
	hooks := &tasks.Webhooks{Store: a.Store, Queues: a.Queues, Log: a.Log}
	for _, w := range a.Config.Webhooks {
		if w.Missing != nil {
			return w.Missing
		}
		sender := webhook.NewSender(webhook.SenderOptions{
			URL: w.URL, Secret: w.Secret.Value, AllowPrivate: w.AllowPrivate,
		})
		a.onClose = append(a.onClose, func() error { sender.Close(); return nil })
		hooks.Endpoints = append(hooks.Endpoints,
			&tasks.Endpoint{Name: w.Name, Wants: w.Wants, Sender: sender})
	}
	err := a.addServer(g, tasks.QueueWebhooks, tasks.TypeDeliver,
		tasks.WebhookSlots*len(hooks.Endpoints), &tasks.Deliver{
			Webhooks: hooks, Metrics: tasks.NewWebhookMetrics(a.Registry, hooks.Endpoints),
		})
	if err != nil {
		return err
	}
	AddLoop(g, hooks.Run)
	return nil
}

// callbackStop is how long a callback in hand may take when the process stops.
const callbackStop = finish / 2

// addCallbacks adds the listener for callbacks, if there is a token, and the loop that tries kept
// callbacks again.
func (a *App) addCallbacks(g *run.Group) error {
	receiver := callback.New(callback.Options{
		Store: a.Store, Entries: a.Entries, Token: a.Config.CallbackToken.Value,
		Networks: callback.Networks{
			Allow: a.Config.CallbackAllow, Proxies: a.Config.CallbackProxies,
		},
		Known:   slices.Collect(maps.Keys(a.Rules.Providers)),
		Trusted: a.Config.TrustCallbacks, QueryTimeout: a.Config.SubmitTimeout,
		Metrics: callback.NewMetrics(a.Registry, a.names()), Log: a.Log,
		Wrong: listen.NewWrongSecrets("callbacks", a.Registry, a.Log),
	})
	AddLoop(g, receiver.Run)
	if !a.Config.CallbackToken.IsSet() {
		a.Log.Info("no callbacks: TUMA_CALLBACK_TOKEN is not set")
		return nil
	}
	server, err := listen.Open(listen.Options{
		Setting: "TUMA_CALLBACK_ADDR", Addr: a.Config.CallbackAddr, Handler: receiver.Handler(),
		Timeout: 10 * time.Second, Stop: callbackStop,
	})
	if err != nil {
		return err
	}
	a.Log.Info("taking callbacks", zap.String("addr", server.Addr()))
	AddLoop(g, server.Run)
	return nil
}

// AddSweeper adds the loop that mends what stopped processes left behind, and the one that brings
// back whom the controls of campaigns withheld.
func (a *App) AddSweeper(g *run.Group) {
	sweeper := &tasks.Sweeper{
		Store: a.Store, Queues: a.Queues, Providers: a.names(),
		Interval: a.Config.SweepInterval, Log: a.Log,
	}
	AddLoop(g, sweeper.Run)
	drip := &tasks.Drip{Store: a.Store, Queues: a.Queues, Log: a.Log}
	AddLoop(g, drip.Run)
}

func (a *App) backoff() tasks.Backoff {
	return tasks.Backoff{
		Initial: a.Config.PollInitial, Max: a.Config.PollMax,
		Multiplier: a.Config.PollMultiplier,
	}
}

// addServer adds the asynq server of one queue.
func (a *App) addServer(
	g *run.Group, queue, kind string, concurrency int, handler tasks.Handler,
) error {
	server, err := tasks.NewServer(tasks.ServerOptions{
		Redis: a.Store.Options(), Queue: queue, Type: kind, Handler: handler, Accept: a.acceptor(),
		Concurrency: concurrency, ShutdownTimeout: a.Config.SubmitTimeout + finish/2, Log: a.Log,
	})
	if err != nil {
		return fmt.Errorf("queue %s: %w", queue, err)
	}
	stop := make(chan struct{})
	g.Add(func() error {
		if err := server.Start(); err != nil {
			return err
		}
		a.Log.Info("taking tasks", zap.String("queue", queue))
		<-stop
		server.Shutdown()
		return nil
	}, func(error) { close(stop) })
	return nil
}

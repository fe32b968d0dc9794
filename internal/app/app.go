// Package app builds the parts from a configuration (app.go) and runs them as processes
// (processes.go; serve.go runs a long-lived one: settings, shutdown, SIGPIPE). The commands and the
// demo share it, so that the demo runs exactly what production runs. rules.go gives routing rules
// to the workers and refuses processes whose rules differ.
package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/term"

	"tuma/internal/config"
	"tuma/internal/intake"
	"tuma/internal/logs"
	"tuma/internal/ops"
	"tuma/internal/providers"
	"tuma/internal/providers/catalog"
	"tuma/internal/redisconn"
	"tuma/internal/state"
	"tuma/internal/tasks"
)

// App is one process's connection to everything.
type App struct {
	Config   *config.Config
	Log      *zap.Logger
	Store    *state.Store
	Queues   *tasks.Queues
	Entries  map[string]catalog.Entry
	Rules    intake.Rules
	Registry *prometheus.Registry

	client  *providers.Client
	metrics *tasks.Metrics
	// onClose is what else Close closes, last first.
	onClose []func() error
}

// NewLogger builds the process's logger: JSON, or for people when it writes to a terminal.
func NewLogger(c *config.Config) (*zap.Logger, error) {
	settings := zap.NewProductionConfig()
	settings.Sampling = nil // A lost line may be the one about money.
	settings.DisableStacktrace = true
	format := c.LogFormat
	if format == "" && term.IsTerminal(int(os.Stderr.Fd())) {
		format = "console"
	}
	if format == "console" {
		settings.Encoding = "console"
		settings.EncoderConfig = zap.NewDevelopmentEncoderConfig()
	}
	settings.EncoderConfig.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	level, err := zapcore.ParseLevel(c.LogLevel)
	if err != nil {
		return nil, fmt.Errorf("TUMA_LOG_LEVEL: %w", err)
	}
	settings.Level.SetLevel(level)
	logger, err := settings.Build(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return logs.Masked(core, logs.Secrets{
			List: func() []string { return secretsOf(c) }, Changes: config.SecretChanges,
		})
	}))
	if err != nil {
		return nil, fmt.Errorf("build the logger: %w", err)
	}
	return logger, nil
}

// Open connects to Redis and builds the providers that are on.
func Open(ctx context.Context, c *config.Config, log *zap.Logger) (*App, error) {
	a := &App{
		Config: c, Log: log, Rules: intake.Rules{Rules: c.Routing}, Registry: prometheus.NewRegistry(),
		client: providers.NewClient(providers.ClientOptions{Timeout: c.SubmitTimeout}),
	}
	redisconn.LogTo(func(text string) { log.Debug("redis client", zap.String("text", text)) })
	a.Entries = catalog.Build(a.client, accounts(c)...)
	var err error
	if a.Store, err = state.Open(ctx, stateOptions(c)); err != nil {
		return nil, err
	}
	if a.Queues, err = tasks.OpenQueues(a.Store.Options(), log); err != nil {
		return nil, errors.Join(err, a.Store.Close())
	}
	a.Registry.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		ops.StateMetrics{Store: a.Store, Queues: a.Queues})
	a.metrics = tasks.NewMetrics(a.Registry, a.names())
	if warning := a.Store.Warning(); warning != "" {
		log.Warn("redis is not as safe as it could be", zap.String("warning", warning))
	}
	return a, nil
}

// Close closes the connections.
func (a *App) Close() error {
	var errs []error
	for _, closer := range slices.Backward(a.onClose) {
		errs = append(errs, closer())
	}
	a.client.Close()
	return errors.Join(append(errs, a.Queues.Close(), a.Store.Close())...)
}

// Inlet is the way in for disbursals.
func (a *App) Inlet() tasks.Inlet { return tasks.Inlet{Store: a.Store, Queues: a.Queues} }

// names lists the providers that are on, in a fixed order.
func (a *App) names() []string { return slices.Sorted(maps.Keys(a.Entries)) }

func stateOptions(c *config.Config) state.Options {
	return state.Options{
		Options: redisconn.Options{
			URL: c.RedisURL.Value(), CurrentURL: c.RedisURL.Value, TLS: c.RedisTLS, Mode: c.RedisMode,
		},
		Namespace:     c.Namespace,
		AllowVolatile: c.AllowVolatile, MinReplicas: c.MinReplicas, Unreplicated: c.MinReplicasSet,
		MaxInFlight:   c.MaxInFlight,
		SubmitTimeout: c.SubmitTimeout, SettleDelay: c.SettleDelay,
		// A store takes zero for "the default".
		Guard:        max(c.SendGuard, time.Millisecond),
		ClaimTimeout: c.ClaimTimeout, Retention: c.Retention, StreamAge: c.StreamAge,
		Timezone: c.Timezone, Providers: known(c), Rules: c.Routing,
	}
}

// known are the capabilities of all providers that can be named.
func known(c *config.Config) (list []providers.Capabilities) {
	for _, i := range c.Instances {
		list = append(list, i.Spec.Capabilities)
	}
	return list
}

// accounts are those that are on.
func accounts(c *config.Config) (list []catalog.Account) {
	for _, i := range c.Instances {
		if i.On {
			list = append(list, catalog.Account{Spec: i.Spec, Values: i.Values()})
		}
	}
	return list
}

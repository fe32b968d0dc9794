// Package app puts the parts together: from a configuration to what the processes run. It is shared
// by the commands, so that the demo runs exactly what production runs.
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

	"tuma/internal/airtime"
	"tuma/internal/config"
	"tuma/internal/intake"
	"tuma/internal/logs"
	"tuma/internal/ops"
	"tuma/internal/providers"
	"tuma/internal/providers/catalog"
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

	client *providers.Client
	meter  *tasks.Meter
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
		Config: c, Log: log, Rules: Rules(c), Registry: prometheus.NewRegistry(),
		client: providers.NewClient(providers.ClientOptions{Timeout: c.SubmitTimeout}),
	}
	state.LogTo(func(text string) { log.Debug("redis client", zap.String("text", text)) })
	a.Entries = catalog.Build(catalogSettings(c, a.client))
	var err error
	if a.Store, err = state.Open(ctx, stateOptions(c)); err != nil {
		return nil, err
	}
	if a.Queues, err = tasks.OpenQueues(a.Store.Options(), log); err != nil {
		return nil, errors.Join(err, a.Store.Close())
	}
	a.Registry.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		ops.Figures{Store: a.Store})
	a.meter = tasks.NewMeter(a.Registry, a.names())
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
		URL: c.RedisURL.Value(), CurrentURL: c.RedisURL.Value, TLS: c.RedisTLS,
		Mode: c.RedisMode, Namespace: c.Namespace,
		AllowVolatile: c.AllowVolatile, MinReplicas: c.MinReplicas, Unreplicated: c.MinReplicasSet,
		MaxInFlight:   c.MaxInFlight,
		SubmitTimeout: c.SubmitTimeout, SettleDelay: c.SettleDelay,
		// A store takes zero for "the default".
		Guard:        max(c.SendGuard, time.Millisecond),
		ClaimTimeout: c.ClaimTimeout, Retention: c.Retention, StreamAge: c.StreamAge,
		Providers: StateProviders(c.Rates, c.SharedAccounts),
	}
}

// StateProviders says what the state must know of each provider that Tuma knows.
func StateProviders(rates map[string]config.Rate, shared map[string]bool) []state.Provider {
	asks := map[providers.Asking]state.Asking{
		providers.AskByBatch: state.AskByBatch, providers.AskByRecipient: state.AskByRecipient,
	}
	var list []state.Provider
	for _, known := range catalog.Known() {
		list = append(list, state.Provider{
			Name: known.Name, Code: known.Code, Asks: asks[known.Asks],
			ResendWithin: known.ResendWithin, Callbacks: known.Callbacks, Climbs: known.Climbs(),
			Patience: known.Patience, Rate: state.Rate(rates[known.Name]), Shared: shared[known.Name],
		})
	}
	return list
}

func catalogSettings(c *config.Config, client *providers.Client) catalog.Settings {
	settings := catalog.Settings{Client: client}
	if c.Lipad.On {
		settings.Lipad = &catalog.LipadSettings{
			BaseURL: c.Lipad.BaseURL, Key: c.Lipad.ConsumerKey.Value,
			Secret: c.Lipad.ConsumerSecret.Value,
		}
	}
	if at := c.AfricasTalking; at.On {
		settings.AfricasTalking = &catalog.AfricasTalkingSettings{
			BaseURL: at.BaseURL, Username: at.Username, APIKey: at.APIKey.Value,
		}
	}
	if q := c.QuickSMS; q.On {
		settings.QuickSMS = &catalog.QuickSMSSettings{
			BaseURL: q.BaseURL, AppKey: q.AppKey.Value, AppToken: q.AppToken.Value,
			DoubtRefusals: q.DoubtRefusals,
		}
	}
	if so := c.Sozuri; so.On {
		settings.Sozuri = &catalog.SozuriSettings{
			BaseURL: so.BaseURL, Project: so.Project, APIKey: so.APIKey.Value,
		}
	}
	return settings
}

// Rules are what jobs are checked against. Every provider that Tuma knows can be named, on or off
// here: an inlet needs no credentials, and checking a file needs no Redis.
func Rules(c *config.Config) intake.Rules {
	r := intake.Rules{
		Providers: map[string]providers.Capabilities{}, DefaultProvider: c.DefaultProvider,
		Ported: c.Routing.Ported,
	}
	for _, rule := range c.Routing.Rules {
		r.Routing = append(r.Routing, intake.Rule(rule))
	}
	for _, known := range catalog.Known() {
		if r.DefaultProvider == "" {
			r.DefaultProvider = known.Name
		}
		known.Limits = limits(known.Limits, c.Limits[known.Name])
		if networks, configured := c.Networks[known.Name]; configured {
			known.Networks = networks
		}
		r.Providers[known.Name] = known
	}
	return r
}

// limits puts the configured limits over the known ones; a bound that is zero is not set.
func limits(
	known map[airtime.Currency]providers.Limit, configured map[airtime.Currency]config.Limit,
) map[airtime.Currency]providers.Limit {
	merged := maps.Clone(known)
	for currency, limit := range configured {
		bound := merged[currency]
		if limit.Min > 0 {
			bound.Min = limit.Min
		}
		if limit.Max > 0 {
			bound.Max = limit.Max
		}
		merged[currency] = bound
	}
	return merged
}

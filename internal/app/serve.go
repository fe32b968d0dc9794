package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/signal"
	"syscall"

	"github.com/oklog/run"
	"go.uber.org/zap"

	"tuma/internal/cli"
	"tuma/internal/config"
	"tuma/internal/listen"
	"tuma/internal/monitor"
	"tuma/internal/ops"
	"tuma/internal/state"
)

// Load reads the configuration; problems with it are usage errors.
func Load() (*config.Config, error) {
	c, err := config.FromEnvironment()
	if err != nil {
		return nil, cli.Usage(fmt.Errorf("configuration:\n%w", err))
	}
	return c, nil
}

// OpenFromEnvironment is Load followed by Open, with the logger that the configuration asks for,
// changed by the options.
func OpenFromEnvironment(ctx context.Context, options ...zap.Option) (*App, error) {
	c, err := Load()
	if err != nil {
		return nil, err
	}
	log, err := NewLogger(c)
	if err != nil {
		return nil, cli.Usage(err)
	}
	a, err := Open(ctx, c, log.WithOptions(options...))
	if errors.Is(err, state.ErrForgetful) || errors.Is(err, state.ErrLayout) {
		return nil, cli.Usage(err)
	}
	return a, err
}

// Process is what a long-lived process runs.
type Process struct {
	// OpsAddr is the default address of the operations listener.
	OpsAddr string
	// Dashboard adds the web dashboard to the operations listener.
	Dashboard bool
	// Add adds the process's own actors.
	Add func(*App, *run.Group) error
}

// Serve runs a long-lived process until the context ends.
//
// The budget of a shutdown: running handlers may take SubmitTimeout and finish/2; the rest of
// finish is for closing. Nothing else waits.
func Serve(ctx context.Context, p Process) (err error) {
	// A reader of the log that has gone must not end the process, with requests on the wire.
	signal.Ignore(syscall.SIGPIPE)
	a, err := OpenFromEnvironment(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	a.Log.Info("settings", zap.Strings("settings", a.Config.Describe()))
	var g run.Group
	AddSignal(ctx, &g)
	if a.Config.OpsAddr != "" {
		p.OpsAddr = a.Config.OpsAddr
	}
	addr, err := a.AddOps(&g, p.OpsAddr, p.Dashboard)
	if err != nil {
		return cli.Usage(err)
	}
	if err := p.Add(a, &g); err != nil {
		return cli.Usage(err)
	}
	a.addLayout(&g)
	a.Log.Info("serving", zap.String("ops", addr))
	context.AfterFunc(ctx, func() { a.Log.Info("stopping: what is on the wire is finished first") })
	err = g.Run()
	a.Log.Info("stopped", zap.Error(err))
	return err
}

// addLayout ends the group when the state is found in a layout that this version does not know.
func (a *App) addLayout(g *run.Group) {
	done := make(chan struct{})
	g.Add(func() error {
		select {
		case err := <-a.Store.Misread():
			return cli.Usage(err)
		case <-done:
			return nil
		}
	}, func(error) { close(done) })
}

// AddOps adds the operations listener and returns the address that it listens on.
func (a *App) AddOps(g *run.Group, addr string, dashboard bool) (string, error) {
	routes := map[string]http.Handler{}
	if dashboard {
		handler, err := monitor.New(monitor.Options{
			Redis: a.Store.Options().Options, Write: a.Config.MonitorWrite, User: a.Config.MonitorUser,
			Password: a.Config.MonitorPassword.Value, Loopback: config.Loopback(addr),
			Wrong: listen.NewWrongSecrets("dashboard", a.Registry, a.Log),
		})
		if errors.Is(err, monitor.ErrOpen) {
			// Following payments matters more than showing them: run on without the dashboard.
			a.Log.Warn("no dashboard", zap.Error(err))
			routes[monitor.Path] = monitor.Closed(err)
		} else if err != nil {
			return "", err
		} else {
			a.onClose = append(a.onClose, handler.Close)
			routes[monitor.Path] = handler
		}
	}
	server, err := ops.Listen(addr, a.Config.OpsHosts, a.Registry, a.Store, routes)
	if err != nil {
		return "", err
	}
	AddLoop(g, server.Run)
	return server.Addr(), nil
}

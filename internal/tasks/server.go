package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"tuma/internal/state"
)

// idleChecks are how often an idle server looks for a task of a type. asynq waits 0.5 to 1.5 times
// as long; its default of one second is most of a small disbursal's latency, and each look costs a
// script.
var idleChecks = map[string]time.Duration{
	TypeSubmit: 10 * time.Millisecond,
	TypeAccept: 25 * time.Millisecond,
	TypePoll:   100 * time.Millisecond, // Status queries are seconds apart.
	// Deliveries come in bursts, in which no server is idle.
	TypeDeliver: 100 * time.Millisecond,
}

// Handler processes the tasks of one type.
type Handler = asynq.Handler

// Server runs the handler of one queue. Each queue has its own, so that a slow provider starves
// nobody.
type Server struct {
	server *asynq.Server
	rdb    redis.UniversalClient
	kind   string
	run    Handler
	// foreign handles the tasks of other types.
	foreign Handler
}

// ServerOptions are the settings of a Server.
type ServerOptions struct {
	Redis state.Options
	// Queue and Type say which tasks the handler gets.
	Queue, Type string
	Handler     Handler
	// Accept takes disbursals up that were put into a queue of another type.
	Accept      *Accept
	Concurrency int
	// ShutdownTimeout is how long running handlers may finish: longer than a provider request,
	// shorter than the grace period of the pod.
	ShutdownTimeout time.Duration
	Log             *zap.Logger
}

// NewServer builds the server of one queue.
func NewServer(o ServerOptions) (*Server, error) {
	rdb, err := serverConnection(o.Redis.Options)
	if err != nil {
		return nil, err
	}
	config := asynq.Config{
		Concurrency:              o.Concurrency,
		Queues:                   map[string]int{QueueName(o.Redis.Namespace, o.Queue): 1},
		TaskCheckInterval:        idleChecks[o.Type],
		DelayedTaskCheckInterval: 5 * time.Second,
		ShutdownTimeout:          o.ShutdownTimeout,
		RetryDelayFunc:           retryDelay,
		IsFailure:                failure(o.Type),
		Logger:                   quiet(o.Log).Named("asynq").Sugar(),
		ErrorHandler: asynq.ErrorHandlerFunc(func(ctx context.Context, t *asynq.Task, err error) {
			o.Log.Warn("task failed; the state is unharmed", zap.String("type", t.Type()),
				taskField(ctx), zap.Error(err))
		}),
	}
	return &Server{
		server: asynq.NewServerFromRedisClient(rdb, config), rdb: rdb, kind: o.Type, run: o.Handler,
		foreign: foreign{o.Accept},
	}, nil
}

// quiet drops what asynq says below a warning.
func quiet(log *zap.Logger) *zap.Logger {
	if log.Level() >= zap.WarnLevel {
		return log
	}
	return log.WithOptions(zap.IncreaseLevel(zap.WarnLevel))
}

// failure decides what uses up the attempts of a task. A disbursal:accept task is all that holds
// its disbursals, so it waits for as long as Redis is away or full; triggers can be replaced.
func failure(kind string) func(error) bool {
	return func(err error) bool {
		var held *heldError
		waits := kind == TypeAccept || errors.As(err, &held)
		return err != nil && (!waits || asynq.IsPanicError(err))
	}
}

// retryDelay paces the repetition of tasks that failed because Redis was away or full.
func retryDelay(n int, _ error, _ *asynq.Task) time.Duration {
	return min(time.Minute, time.Second<<min(n, 6))
}

// Start begins to take tasks.
func (s *Server) Start() error {
	handler := func(ctx context.Context, t *asynq.Task) error {
		if t.Type() == s.kind {
			return s.run.ProcessTask(ctx, t)
		}
		return s.foreign.ProcessTask(ctx, t)
	}
	if err := s.server.Start(asynq.HandlerFunc(handler)); err != nil {
		return fmt.Errorf("start asynq server: %w", err)
	}
	return nil
}

// Shutdown takes no further tasks, waits for the running ones up to the shutdown timeout, and
// closes the connection.
func (s *Server) Shutdown() {
	s.server.Shutdown()
	_ = s.rdb.Close()
}

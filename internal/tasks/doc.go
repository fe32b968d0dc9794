// Package tasks runs the work that asynq triggers, and is the only package that speaks asynq. A
// task is a trigger: it says that there is work, and the state says which. Any task may be lost,
// repeated or run twice at once.
//
// Handlers: accept.go (disbursals of Go services), submit.go (draw a batch and send it), poll.go
// (ask about a batch), deliver.go (post a result to a producer). Loops: loops.go (due queries and
// sweeps), drip.go (bring back whom the controls of campaigns withheld), failover.go (move
// recipients of a paused channel), mirror.go (show scheduled queries in the dashboard), pauses.go
// (keep in the audit what was paused there), floats.go (ask for balances), webhooks.go (hand out
// what is to be posted), strays.go (disbursals that asynq holds but no queue runs). queue.go,
// triggers.go, server.go and connection.go wrap asynq; inspect.go and sizes.go read its queues for
// status and metrics; metrics.go counts. backoff.go says when a task runs again, ids.go names
// batches.
package tasks

// Package tasks is the only package that speaks asynq. Its tasks are triggers: they say that there
// is something to do, and the state says what. Any of them may be lost, repeated or run twice at
// once.
package tasks

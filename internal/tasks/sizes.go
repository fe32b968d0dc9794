package tasks

import (
	"context"

	"tuma/internal/state"
)

// QueueSize is how many tasks of a queue are in each of asynq's states.
type QueueSize struct {
	// Queue is its name without the namespace.
	Queue string
	// Paused says that somebody paused it in the dashboard.
	Paused bool
	// Tasks has the words pending, active, scheduled, retry, archived and completed.
	Tasks map[string]int64
}

// taskStates are asynq's states: whether the tasks are kept in a list, else in a sorted set.
var taskStates = map[string]bool{
	"pending": true, "active": true,
	"scheduled": false, "retry": false, "archived": false, "completed": false,
}

// Sizes reads the sizes of the queues of all providers, of disbursals and of queries, in one round
// trip. asynq's own statistics measure the memory of tasks, too, which takes Redis long.
func Sizes(ctx context.Context, store *state.Store) ([]QueueSize, error) {
	options := store.Options()
	queues := []string{QueueDisbursals, QueuePoll}
	for _, p := range options.Providers {
		queues = append(queues, p.Name)
	}
	key := func(queue, word string) string {
		return queueKey(options.Namespace, queue, word)
	}
	var lists, sorted, marks []string
	for _, queue := range queues {
		marks = append(marks, key(queue, "paused"))
		for word, list := range taskStates {
			if list {
				lists = append(lists, key(queue, word))
			} else {
				sorted = append(sorted, key(queue, word))
			}
		}
	}
	found, err := store.Sizes(ctx, lists, sorted, marks)
	if err != nil {
		return nil, err
	}
	sizes := make([]QueueSize, len(queues))
	for i, queue := range queues {
		sizes[i] = QueueSize{
			Queue: queue, Paused: found[key(queue, "paused")] == 1, Tasks: map[string]int64{},
		}
		for word := range taskStates {
			sizes[i].Tasks[word] = found[key(queue, word)]
		}
	}
	return sizes, nil
}

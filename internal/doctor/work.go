package doctor

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"tuma/internal/airtime"
	"tuma/internal/cli"
	"tuma/internal/state"
	"tuma/internal/tasks"
)

const (
	// late is how long what is due may wait for a process to take it up.
	late = 2 * time.Minute
	// jobsLate is how long a job may wait on the stream.
	jobsLate = 5 * time.Minute
)

// workers looks at who takes what waits.
func (r *runner) workers(ctx context.Context) error {
	standings, err := r.served(ctx)
	if err != nil {
		return err
	}
	stats, err := r.watched(ctx)
	if err != nil {
		return err
	}
	waits := map[string]bool{tasks.QueuePoll: stats.Due+stats.Parked > 0}
	for _, c := range stats.Channels {
		waits[c.Provider] = c.Pending+c.Ready > 0
	}
	for i := range stats.Webhooks {
		w := &stats.Webhooks[i]
		waits[tasks.QueueWebhooks] = waits[tasks.QueueWebhooks] || w.Off.IsZero() && w.Waiting > 0
	}
	var hands []string
	for _, q := range standings {
		if q.Hidden {
			r.skip("the Redis user may not see which processes run (ZREMRANGEBYSCORE on asynq:servers)")
			return nil
		}
		waiting := waits[q.Queue] || q.Waiting > 0
		if len(q.Servers) > 0 {
			hands = append(hands, fmt.Sprintf("%s %d", q.Queue, len(q.Servers)))
			continue
		}
		who, advice := "no worker takes disbursals for "+q.Queue,
			"start a worker with the credentials of "+q.Queue
		switch q.Queue {
		case tasks.QueuePoll:
			who, advice = "no poller runs: no process asks for the status of payments", "start a poller"
		case tasks.QueueDisbursals:
			who, advice = "no worker runs: disbursal:accept tasks wait", "start a worker"
		case tasks.QueueWebhooks:
			who, advice = "no poller delivers webhooks", "start a poller with their TUMA_CONFIG"
		}
		if waiting {
			r.fail(who+", and there is work", advice)
		} else {
			r.warn(who, advice)
		}
	}
	if r.sound() {
		r.ok("processes per queue: %s", strings.Join(hands, ", "))
	}
	return nil
}

// queueing looks at asynq's queues.
func (r *runner) queueing(ctx context.Context) error {
	standings, err := r.served(ctx)
	if err != nil {
		return err
	}
	for _, q := range standings {
		if q.Paused {
			r.fail("the queue "+q.Name+" is paused: nothing of it is done",
				"resume it, when what it was paused for is over: enqueuer channel resume "+q.Queue)
		}
		if q.Orphaned > 0 {
			say := r.warn
			if q.Queue == tasks.QueueDisbursals {
				say = r.fail
			}
			say(fmt.Sprintf("the queue %s has %s that a dead process left behind", q.Name,
				cli.Plural(q.Orphaned, "active task")), "start a worker: it takes them up "+
				"within minutes, and accepting twice changes nothing. Until then a disbursal may be held by "+
				"asynq alone")
		}
		switch {
		case q.Archived == 0:
		case q.Queue == tasks.QueueDisbursals:
			r.fail(fmt.Sprintf("%s archived in the queue %s: their disbursals are held by asynq alone",
				cli.Plural(q.Archived, "task"), q.Name), "look at their errors in the dashboard and run "+
				"them again there: what was accepted before changes nothing")
		default:
			r.warn(fmt.Sprintf("%s archived in the queue %s", cli.Plural(q.Archived, "task"), q.Name),
				"look at their errors in the dashboard; they are triggers only and may be deleted")
		}
	}
	return nil
}

// mend says what ends a pause for a reason that only a person can end.
var mend = map[airtime.Reason]string{
	airtime.ReasonCredentials: "correct the credentials: it will not mend itself; after that the " +
		"channel resumes by itself",
	airtime.ReasonBalance: "top the account up: it will not mend itself; after that the channel " +
		"resumes by itself",
	airtime.ReasonAccountFault: "the provider refuses every request: look at the messages of " +
		"enqueuer report, and ask the provider about the account",
}

// channels looks at the channels of the providers.
func (r *runner) channels(ctx context.Context) error {
	stats, err := r.watched(ctx)
	if err != nil {
		return err
	}
	if stats.Fenced > 0 {
		r.warn("claiming is fenced for "+about(stats.Fenced)+" more: Redis was restarted, and a "+
			"request may be on the wire", "wait: it ends by itself")
	}
	for _, c := range stats.Channels {
		why, byPeople := mend[c.PauseReason]
		if c.Manual != nil {
			r.warn(fmt.Sprintf("%s is paused by %s since %s: nothing is sent there: %s", c.Provider,
				c.Manual.Who, c.Manual.Since.Format(time.RFC3339), cmp.Or(c.Manual.Note, "no note")),
				"enqueuer channel resume "+c.Provider+", when what it was paused for is over")
		}
		switch {
		case c.Paused > 0 && byPeople:
			r.fail(fmt.Sprintf("%s is paused since %s: %s", c.Provider,
				c.Since.Format(time.RFC3339), c.PauseReason), why)
		case c.Paused > 0:
			r.warn(fmt.Sprintf("%s is paused since %s: %s", c.Provider,
				c.Since.Format(time.RFC3339), c.PauseReason),
				"it is tried again by itself; if it lasts, ask the provider")
		case c.HalfOpen && byPeople:
			r.fail(fmt.Sprintf("%s was paused since %s: %s; one recipient at a time finds out whether "+
				"that is mended", c.Provider, c.Since.Format(time.RFC3339), c.PauseReason), why)
		case c.HalfOpen:
			r.warn(fmt.Sprintf("%s was paused since %s: %s; one recipient at a time is sent",
				c.Provider, c.Since.Format(time.RFC3339), c.PauseReason),
				"wait: the first clear answer opens it")
		}
		if c.Unserved() {
			r.fail(c.Provider+": no worker has asked for what is queued there for "+about(c.Waiting),
				"set its credentials on the workers")
		}
		if c.Blocked > 0 {
			r.warn(fmt.Sprintf("%s holds disbursals back (%d in all): their numbers are in doubt there",
				c.Provider, c.Blocked), "settle what is in doubt: enqueuer indoubt list")
		}
	}
	return nil
}

// stuck looks for what is due and nobody takes up.
func (r *runner) stuck(ctx context.Context) error {
	names, err := r.channelNames(ctx)
	if err != nil {
		return err
	}
	lag, err := r.store.Lag(ctx, names)
	if err != nil {
		return err
	}
	stats, err := r.watched(ctx)
	if err != nil {
		return err
	}
	limit := late + 3*r.Config.SweepInterval
	for _, name := range names {
		// While claiming is fenced nothing is given back either.
		if lag.Slots[name] > limit && stats.Fenced == 0 {
			r.fail(fmt.Sprintf("%s: the time of a request was over %s ago, and no process has put it in "+
				"doubt or given it back", name, about(lag.Slots[name])),
				"start a worker or poller with the credentials of "+name+": only such a process sweeps it")
		}
	}
	if lag.Queries > limit {
		r.fail("status queries have been due for "+about(lag.Queries), "start more pollers, and look at "+
			"their log: no process learns the status of payments")
	}
	if lag.Parked > limit {
		r.warn("callbacks have waited for "+about(lag.Parked)+" to be tried again",
			"start a poller, and look at its log")
	}
	for _, stream := range stats.Streams {
		if stream.Name == "jobs" && stream.Oldest > jobsLate {
			r.fail(fmt.Sprintf("a job has waited on the stream for %s (%d in all)",
				about(stream.Oldest), stream.Entries), "start more enqueuer stream, and look at its log")
		}
	}
	if r.sound() {
		r.oldest(stats.Channels)
	}
	return nil
}

// oldest says how long the oldest recipients have been open.
func (r *runner) oldest(channels []state.Channel) {
	var open []string
	for _, c := range channels {
		if c.Oldest > 0 {
			open = append(open, c.Provider+" "+about(c.Oldest))
		}
	}
	if len(open) == 0 {
		r.ok("nothing is open")
		return
	}
	r.ok("oldest open recipients: %s", strings.Join(open, ", "))
}

// reviewQueue looks at what only a person can settle.
func (r *runner) reviewQueue(ctx context.Context) error {
	stats, err := r.watched(ctx)
	if err != nil {
		return err
	}
	const list = "look at enqueuer indoubt list"
	if n := stats.Overpaid; n > 0 {
		r.warn(cli.Plural(n, "recipient")+" with a second effect: paid twice",
			list+", and claim the money back")
	}
	if n := stats.Mismatched; n > 0 {
		r.warn(cli.Plural(n, "recipient")+" with reports of a provider that cannot be right",
			list+", and compare with the provider's statement")
	}
	if n := stats.Doubt; n > 0 {
		r.warn(cli.Plural(n, "request")+" with recipients in doubt", list)
	}
	if n := stats.Overdue; n > 0 {
		r.warn(cli.Plural(n, "request")+" open for longer than the provider takes", list)
	}
	if stats.DeadLetters > 0 {
		r.warn(cli.Plural(stats.DeadLetters, "callback")+" could not be read or matched",
			"read the stream {"+r.Redis.Namespace+"}:dead_letters: the provider may have new words")
	}
	if stats.Dropped > 0 {
		r.warn(cli.Plural(stats.Dropped, "callback")+" given up since the beginning: "+
			"they fitted no recipient", "compare enqueuer report with the providers' statements")
	}
	return nil
}

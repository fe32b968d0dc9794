package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tuma/internal/cli"
)

const (
	// readLate is how long a result may lie unread, or read and not acknowledged.
	readLate = time.Hour
	// lately is for how long a rejected job is worth a word, and rejectedShown how many are counted.
	lately, rejectedShown = 24 * time.Hour, 100
	// streamAhead is how far clocks may differ.
	streamAhead = time.Minute
	// driftShown is how many differences are listed; enqueuer verify lists all.
	driftShown = 3
)

// streams looks at who reads what we publish, and at what was refused.
func (e *exam) streams(ctx context.Context) error {
	readers, err := e.store.Readers(ctx)
	if err != nil {
		return err
	}
	for _, r := range readers {
		name := fmt.Sprintf("the group %s of %s", r.Group, r.Stream)
		advice := "start its consumer; a group that nobody needs any more is destroyed with XGROUP " +
			"DESTROY: until then nothing behind it is trimmed"
		if r.Unread > readLate {
			e.warn(name+" has not read for "+about(r.Unread), advice)
		}
		if r.Unacknowledged > readLate {
			e.warn(name+" has entries that it read and has not acknowledged for "+
				about(r.Unacknowledged), "look at its consumer (XPENDING), and acknowledge what is done")
		}
	}
	stats, err := e.watched(ctx)
	if err != nil {
		return err
	}
	for _, stream := range stats.Streams {
		if stream.Ahead > streamAhead {
			e.fail(fmt.Sprintf("the last id of {%s}:%s is %s ahead of Redis's clock: a producer chose "+
				"it, and at the largest id the stream takes no more", e.Redis.Namespace, stream.Name,
				about(stream.Ahead)), "find who sends with an id of its own (XADD without *) and change "+
				"its password; enqueuer stream makes the jobs stream anew once it is empty")
		}
		if stream.TrimmedUnread > 0 {
			e.warn(fmt.Sprintf("{%s}:%s was trimmed to make room: %d entries nobody had read",
				e.Redis.Namespace, stream.Name, stream.TrimmedUnread), "give Redis more memory "+
				"(maxmemory), start the readers, and read what is missing with enqueuer report")
		}
	}
	rejected, err := e.store.Rejected(ctx, lately, rejectedShown)
	if err != nil {
		return err
	}
	if rejected > 0 {
		count := cli.Plural(rejected, "job")
		if rejected == rejectedShown {
			count += " or more"
		}
		e.warn(count+" rejected within a day", fmt.Sprintf(
			"read {%s}:rejected: each entry has its error; correct the job and send it again",
			e.Redis.Namespace))
	}
	return nil
}

// books recounts every disbursal.
func (e *exam) books(ctx context.Context) error {
	audit, err := e.store.Verify(ctx, func(page, pages int) {
		e.Progress("recounting", page, pages)
	})
	if err != nil {
		return err
	}
	if len(audit.Drift) == 0 {
		e.ok("the books balance: %s in %s", cli.Plural(audit.Recipients, "recipient"),
			cli.Plural(audit.Disbursals, "disbursal"))
		return nil
	}
	e.report.Drifted = true
	shown := audit.Drift[:min(driftShown, len(audit.Drift))]
	e.fail(fmt.Sprintf("the books drifted: %s, such as %s", cli.Plural(len(audit.Drift), "difference"),
		strings.Join(shown, "; ")), "stop sending, keep a copy of the Redis, and run enqueuer verify: "+
		"it lists every difference")
	return nil
}

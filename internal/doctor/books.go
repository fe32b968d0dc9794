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
func (r *runner) streams(ctx context.Context) error {
	readers, err := r.store.Readers(ctx)
	if err != nil {
		return err
	}
	for _, reader := range readers {
		name := fmt.Sprintf("the group %s of %s", reader.Group, reader.Stream)
		advice := "start its consumer; a group that is not needed any more is destroyed with XGROUP " +
			"DESTROY: until then nothing behind it is trimmed"
		if reader.Unread > readLate {
			r.warn(name+" has not read for "+about(reader.Unread), advice)
		}
		if reader.Unacknowledged > readLate {
			r.warn(name+" has entries that it read and has not acknowledged for "+
				about(reader.Unacknowledged), "look at its consumer (XPENDING), and acknowledge what is done")
		}
	}
	stats, err := r.watched(ctx)
	if err != nil {
		return err
	}
	for _, stream := range stats.Streams {
		if stream.Ahead > streamAhead {
			r.fail(fmt.Sprintf("the last id of {%s}:%s is %s ahead of Redis's clock: a producer chose "+
				"it, and at the largest id the stream takes no more", r.Redis.Namespace, stream.Name,
				about(stream.Ahead)), "find who sends with an id of its own (XADD without *) and change "+
				"its password; enqueuer stream makes the jobs stream anew once it is empty")
		}
		if stream.TrimmedUnread > 0 {
			r.warn(fmt.Sprintf("{%s}:%s was trimmed to make room: %d unread entries",
				r.Redis.Namespace, stream.Name, stream.TrimmedUnread), "give Redis more memory "+
				"(maxmemory), start the readers, and read what is missing with enqueuer report")
		}
	}
	rejected, err := r.store.Rejected(ctx, lately, rejectedShown)
	if err != nil {
		return err
	}
	if rejected > 0 {
		count := cli.Plural(rejected, "job")
		if rejected == rejectedShown {
			count += " or more"
		}
		r.warn(count+" rejected within a day", fmt.Sprintf(
			"read {%s}:rejected: each entry has its error; correct the job and send it again",
			r.Redis.Namespace))
	}
	return nil
}

// books recounts every disbursal.
func (r *runner) books(ctx context.Context) error {
	recount, err := r.store.Verify(ctx, func(page, pages int) {
		r.Progress("recounting", page, pages)
	})
	if err != nil {
		return err
	}
	if len(recount.Drift) == 0 {
		r.ok("the books balance: %s in %s", cli.Plural(recount.Recipients, "recipient"),
			cli.Plural(recount.Disbursals, "disbursal"))
		return nil
	}
	r.report.Drifted = true
	shown := recount.Drift[:min(driftShown, len(recount.Drift))]
	r.fail(fmt.Sprintf("the books drifted: %s, such as %s",
		cli.Plural(len(recount.Drift), "difference"), strings.Join(shown, "; ")),
		"stop sending, keep a copy of the Redis, and run enqueuer verify: it lists every difference")
	return nil
}

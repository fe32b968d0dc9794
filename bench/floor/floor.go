// Package floor is the least that a program must do for a thousand recipients, with nothing around
// it: no queue, no guard, no book, nothing that would survive a crash. It writes them to Redis,
// posts them, asks once what became of them, and writes the outcomes and one stream entry for each.
// What Tuma reaches is measured against it.
package floor

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"
)

// Batch is how many recipients one request has, as many as Lipad takes.
const Batch = 1000

// Options say what to do; all are required.
type Options struct {
	// Redis is host:port, Provider the base URL of a simulated Lipad.
	Redis, Provider string
	// Recipients is how many there are; rounded up to whole batches.
	Recipients int
	// Loops is how many batches are under way at once.
	Loops int
}

// Result is what a run achieved.
type Result struct {
	Recipients int           `json:"recipients"`
	Took       time.Duration `json:"took"`
}

// Rate is recipients a second.
func (r Result) Rate() float64 { return float64(r.Recipients) / r.Took.Seconds() }

// Run sends everybody and returns when the last outcome is stored. An error is returned when
// anything at all goes wrong: the floor has no second try.
func Run(ctx context.Context, o Options) (Result, error) {
	rdb := redis.NewClient(&redis.Options{Addr: o.Redis, PoolSize: o.Loops})
	defer func() { _ = rdb.Close() }() // Everything that counts has been answered.
	lipad := newClient(o.Provider, o.Loops)
	defer lipad.http.CloseIdleConnections()
	begin := time.Now()
	if err := lipad.authenticate(ctx); err != nil {
		return Result{}, err
	}
	batches := int64((o.Recipients + Batch - 1) / Batch)
	var taken atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range o.Loops {
		group.Go(func() error {
			l := &loop{rdb: rdb, lipad: lipad}
			for n := taken.Add(1); n <= batches; n = taken.Add(1) {
				if err := l.batch(ctx, int(n-1)); err != nil {
					return fmt.Errorf("batch %d: %w", n, err)
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return Result{}, err
	}
	return Result{Recipients: int(batches) * Batch, Took: time.Since(begin)}, nil
}

// loop does one batch after the other, in buffers that it keeps.
type loop struct {
	rdb                  *redis.Client
	lipad                *client
	packed, body, answer []byte
	lines                []line
}

// batch takes a thousand recipients all the way.
func (l *loop) batch(ctx context.Context, number int) error {
	reference := fmt.Sprintf("floor-%08d", number)
	l.encode(reference, number*Batch)
	if err := l.rdb.Set(ctx, "floor:"+reference, l.packed, 0).Err(); err != nil {
		return fmt.Errorf("write recipients: %w", err)
	}
	if err := l.lipad.send(ctx, l.body); err != nil {
		return err
	}
	var err error
	if l.answer, err = l.lipad.status(ctx, reference, l.answer); err != nil {
		return err
	}
	if l.lines, err = readLines(l.answer, l.lines[:0]); err != nil {
		return err
	}
	return l.store(ctx, reference)
}

// encode packs the recipients for Redis and writes the request.
func (l *loop) encode(reference string, first int) {
	l.packed = l.packed[:0]
	l.body = append(append(l.body[:0], `{"reference":"`...), reference...)
	l.body = append(l.body, `","recipients":[`...)
	for i := range Batch {
		phone, amount := uint64(254700000000+first+i), uint64(10+i%50)
		l.packed = append(l.packed, byte(phone>>32), byte(phone>>24), byte(phone>>16),
			byte(phone>>8), byte(phone), byte(amount))
		if i > 0 {
			l.body = append(l.body, ',')
		}
		l.body = strconv.AppendUint(append(l.body, `{"phone_number":"`...), phone, 10)
		l.body = strconv.AppendUint(append(l.body, `","amount":"`...), amount, 10)
		l.body = append(l.body, `"}`...)
	}
	l.body = append(l.body, `]}`...)
}

// outcomes writes a batch's outcomes and one entry per recipient, with the fields of Tuma's results
// stream. A script is quicker than a pipeline of as many commands.
//
//	KEYS: the outcomes of the batch, the stream.
//	ARGV: outcomes, reference, instant, then five for each recipient.
var outcomes = redis.NewScript(`
local statuses = {['602'] = 'successful', ['603'] = 'failed'}
local call, argv, results, reference, at = redis.call, ARGV, KEYS[2], ARGV[2], ARGV[3]
call('SET', KEYS[1], argv[1])
for i = 4, #argv, 5 do
  call('XADD', results, '*', 'reference', reference, 'phone_number', argv[i],
    'amount', argv[i + 1], 'currency', 'KES', 'provider', 'lipad',
    'status', statuses[argv[i + 2]], 'reason', '', 'provider_reference', argv[i + 3],
    'batch', reference, 'message', argv[i + 4], 'campaign', '', 'corrected', 'false', 'at', at)
end
return 1`)

// store writes what became of everybody. An error is returned when somebody is still open.
func (l *loop) store(ctx context.Context, reference string) error {
	if len(l.lines) != Batch {
		return fmt.Errorf("status: %d lines for %d recipients", len(l.lines), Batch)
	}
	l.packed = l.packed[:0]
	at := time.Now().UTC().Format("2006-01-02T15:04:05.000Z07:00")
	arguments := append(make([]any, 0, 3+5*Batch), nil, reference, at)
	for _, one := range l.lines {
		settled := string(one.status) == "602" || string(one.status) == "603"
		if !settled {
			return fmt.Errorf("status: a recipient is still %s", one.status)
		}
		l.packed = append(append(l.packed, one.status[2]), one.reference...)
		arguments = append(arguments, one.phone, one.amount, one.status, one.reference, one.message)
	}
	arguments[0] = l.packed
	keys := []string{"floor:outcomes:" + reference, "floor:results"}
	if err := outcomes.Run(ctx, l.rdb, keys, arguments...).Err(); err != nil {
		return fmt.Errorf("write outcomes: %w", err)
	}
	return nil
}

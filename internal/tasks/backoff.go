package tasks

import (
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Backoff is the interval of status queries: exponential with jitter, by the number of the query,
// which the state keeps per batch. So a restart does not start it anew.
type Backoff struct {
	Initial    time.Duration
	Max        time.Duration
	Multiplier float64
}

// jitter spreads the queries of batches that were sent together.
const jitter = 0.2

// Delay returns how long to wait before query number n, counted from 1.
func (b Backoff) Delay(n int) time.Duration {
	policy := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(b.Initial), backoff.WithMaxInterval(b.Max),
		backoff.WithMultiplier(b.Multiplier), backoff.WithRandomizationFactor(jitter),
		backoff.WithMaxElapsedTime(0))
	delay := policy.NextBackOff()
	// The interval has reached its maximum long before the hundredth step.
	for range min(n, 100) - 1 {
		delay = policy.NextBackOff()
	}
	return delay
}

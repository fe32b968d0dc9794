package state

import (
	"context"
	"time"
)

// Swept is what a sweep found at one provider.
type Swept struct {
	// Returned counts batches whose claim lapsed, InDoubt those whose sender never reported back.
	Returned, InDoubt int
	Wakeup            *Wakeup
	// Behind is by how much Redis's clock is behind the highest time that it has shown; zero unless
	// that is more than a second. Nothing is sent again and nothing expires meanwhile.
	Behind time.Duration
}

// asideFor is after how long a recipient that was refused alone is sent again although its provider
// has accepted no recipient since, when nothing else waits.
const asideFor = 5 * time.Minute

// Sweep requeues lapsed claims of a provider and puts lapsed requests in doubt. Every process calls
// it every few seconds; none leads.
func (s *Store) Sweep(ctx context.Context, provider string) (Swept, error) {
	answer, err := s.run(ctx, s.client, "sweep", provider, s.options.MaxInFlight,
		asideFor.Milliseconds())
	if err != nil {
		return Swept{}, err
	}
	r := asList(answer)
	return Swept{
		Returned: r.int(0), InDoubt: r.int(1), Wakeup: wakeupOf(provider, r.int(2)),
		Behind: millis(r.int(3)),
	}, nil
}

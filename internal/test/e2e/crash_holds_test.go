package e2e_test

import (
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
)

// scheduled imports everybody, to be sent some time later.
func (c *crash) scheduled(later time.Duration) {
	c.t.Helper()
	c.says("import", c.file(), "--reference", "crash", "--provider", c.provider, "--at",
		time.Now().Add(later).UTC().Format(time.RFC3339))
	require.EqualValues(c.t, len(c.wanted), c.inStatus(airtime.Held))
}

// releasesDue has a worker die while it releases those whose time has come.
func releasesDue(c *crash) {
	c.scheduled(2 * time.Second)
	c.dies(nil, nil)
	c.starts(mortalPoller)
	c.starts(mortalWorker)
	c.ends()
}

// releases has the command die with which a person releases who is held. Run again it has released
// them, or finds nobody held any more.
func releases(c *crash) {
	c.scheduled(time.Hour)
	command := []string{"release", "crash", "--import", "--reason", "schedule", "--who", "amina"}
	c.dies(nil, nil, command...)
	again := c.run(mortalEnqueuer.Build(c.t), nil, command...)
	require.Contains(c.t, []int{0, 5}, again.Wait(crashLimit), again.Output())
	c.starts(mortalPoller)
	c.starts(mortalWorker)
	c.ends()
}

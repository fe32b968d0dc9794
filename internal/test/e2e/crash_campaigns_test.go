package e2e_test

import "github.com/stretchr/testify/require"

// pausesCampaign has the command die with which a person pauses a campaign. Run again it stands,
// and nobody is sent until it is resumed.
func pausesCampaign(c *crash) {
	c.asked()
	command := []string{"campaign", "pause", "crash", "--who", "amina"}
	c.dies(nil, nil, command...)
	c.says(command...)
	c.starts(mortalWorker)
	c.starts(mortalPoller)
	c.await("everybody is withheld", func() bool {
		key := "{tuma}:withheld:" + c.provider + ":crash"
		return c.rdb.LLen(c.t.Context(), key).Val() > 0 &&
			c.rdb.LLen(c.t.Context(), "{tuma}:pending:"+c.provider).Val() == 0
	})
	require.Zero(c.t, c.ledger().Requests["send"])
	c.says("campaign", "resume", "crash", "--who", "amina")
	c.ends()
}

// drips has a worker die while it brings back whom the rate of a campaign lets through.
func drips(c *crash) {
	c.asked()
	c.says("campaign", "rate", "crash", "--per-second", "2")
	c.dies(nil, nil)
	c.starts(mortalPoller)
	c.starts(mortalWorker)
	c.ends()
}

package e2e_test

import (
	"strings"

	"github.com/stretchr/testify/require"
)

// setsFloat has the command die with which a person says what is left at a provider. Run again, it
// stands, once or twice in the audit.
func setsFloat(c *crash) {
	c.asked()
	command := []string{"float", "set", c.provider, "5000", "--who", "amina"}
	c.dies(nil, nil, command...)
	c.says(command...)
	require.Contains(c.t, c.says("float", "--json"), `"provider":"`+c.provider+`"`)
	entries := strings.Count(c.says("audit"), "float_set")
	require.True(c.t, entries == 1 || entries == 2, "%d entries", entries)
	c.says("audit", "--verify")
	c.starts(mortalPoller)
	c.starts(mortalWorker)
	c.ends()
}

// showsFloats has the command die that shows what is left.
func showsFloats(c *crash) {
	c.asked()
	c.dies(nil, nil, "float")
	c.says("float")
	c.starts(mortalPoller)
	c.starts(mortalWorker)
	c.ends()
}

// asksForBalances has a poller die while it asks a provider what is left there: another one asks
// later, and everything else goes on.
func asksForBalances(c *crash) {
	c.asked()
	c.dies(nil, nil)
	c.starts(mortalPoller)
	c.starts(mortalWorker)
	c.ends()
}

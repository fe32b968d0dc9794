package app

import (
	"tuma/internal/config"
	"tuma/internal/doctor"
	"tuma/internal/providers"
	"tuma/internal/providers/catalog"
	"tuma/internal/redisconn"
)

// Doctor returns what enqueuer doctor looks over, and what ends its connections to the providers.
// Unlike Open it asks nothing of Redis: the doctor takes it as it is, unsafe or away.
func Doctor(c *config.Config) (options doctor.Options, end func()) {
	redisconn.LogTo(func(string) {}) // What matters of it is in the findings.
	client := providers.NewClient(providers.ClientOptions{Timeout: c.SubmitTimeout})
	return doctor.Options{
		Config: c, Redis: stateOptions(c), Client: client,
		Entries: catalog.Build(client, accounts(c)...),
	}, client.Close
}

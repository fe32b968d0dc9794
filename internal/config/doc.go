// Package config is the only reader of the environment: one struct with every setting of the
// processes (config.go), from variables (load.go) and an optional YAML file (yaml.go, apply.go).
// settings.go declares each setting with its default and its documentation; parse.go and network.go
// check values; instances.go and accounts.go are about accounts at providers, rates.go and
// routing.go about what the file says of rates and routing, guards.go of guards and approvals,
// webhooks.go of endpoints of producers; entries.go reads the entries of such lists, and
// conditions.go the conditions in them; secret.go reads secrets from files, tokens.go those of
// producers, security.go TLS and passwords. It reports all problems at once.
package config

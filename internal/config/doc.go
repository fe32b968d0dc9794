// Package config is the only reader of the environment: one struct with every setting of the
// processes, from variables and an optional YAML file (yaml.go). settings.go declares each setting
// with its default and its documentation; parse.go and network.go check values; instances.go and
// accounts.go are about accounts at providers; secret.go reads secrets from files. It reports all
// problems at once.
package config

// Package config is the only reader of the environment: one struct with every setting of the three
// processes, from variables and an optional YAML file. It reports all problems at once.
package config

// Package chaos tests Tuma while everything fails: real processes, a real redis-server with an
// append-only file and the simulated providers, while processes are killed, frozen and restarted,
// Redis dies, connections are cut and slowed, every task is deleted and the clocks are ten minutes
// apart. Then it is quiet, people decide what only people can, and the ledgers must agree.
//
// A short storm runs with the other tests; `make storm MINUTES=10 SEED=1` makes a long one, which
// the seed plans. docs/testing.md keeps the figures of one.
//
// The other half of the package is about a Redis that forgets what it has confirmed: the machine's
// power fails and the end of the append-only file with it (docs/redis.md).
//
// The package has no code but tests.
package chaos

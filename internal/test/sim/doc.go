// Package sim runs the real state, tasks, intake, callbacks and adapters in one process against
// simulated providers, and draws what goes wrong: one seed is one scenario of processes that stop
// between any two steps, lost replies, repeated scripts, broken answers, lost and repeated
// triggers, callbacks in any order, endpoints of webhooks that fail, and persons who decide and
// have numbers erased. The same seed is the same scenario, to the last byte.
//
// Time is simulated by testing/synctest: the code's own clock stands still until the scenario lets
// it pass, and the scripts read the same clock from a key. Every verb of the state, request and
// trigger runs through package effect; the simulation stops it there, decides which process goes on
// and how the effect ends. One goroutine runs at a time. A process that dies is cut off: each
// further effect of it fails.
//
// After the steps the invariants of the design are checked against what Redis holds and what the
// providers booked. At the end all faults are over, triggers and sweeps go on by themselves, and
// every recipient must be settled, or in doubt for a reason that the provider's capabilities
// explain.
//
// The package has no code but tests. `make sim SEEDS=200 SEED=1` runs so many scenarios from the
// first seed on; `make mutations` breaks the code on purpose and wants every break to be noticed.
package sim

// Package e2e tests Tuma as it is run: the real programs as processes of their own, a real
// redis-server with an append-only file, and the simulated providers as a third party that keeps a
// ledger of its own. The tests kill, freeze and starve all of them, and then compare our report
// with that ledger, recipient by recipient and cent by cent.
//
// Every test ends in the same check (see check_test.go): who is reported as paid was paid exactly
// once and under the batch of the report, nobody else was paid, the books balance, and the results
// stream has one entry per recipient.
//
// Harnesses with one provider have Lipad alone. Those with four have them all, with callbacks
// through a proxy in front of the pollers; there, who is in doubt is compared with the providers'
// own list of lost answers, and settled by a person's word from the ledger before the check.
//
// The package has no code but tests. `make proof` runs the big import without the race detector.
package e2e

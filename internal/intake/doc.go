// Package intake turns input into validated and routed disbursals: JSON jobs (job.go, decode.go),
// CSV and JSON Lines files (format.go and scan.go read rows, drafts.go groups them to disbursals,
// plan.go is the whole file) and the jobs stream (stream.go). rules.go checks recipients,
// routing.go writes down whom package routing chooses for them, duplicates.go finds rows that were
// accepted under another name. It imports no Redis client: what it returns is ready for the
// state's Accept.
package intake

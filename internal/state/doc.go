// Package state holds every recipient, and is the only source of truth about them. Each verb is
// one Lua script in lua/: atomic, guarded, and safe to repeat, since the client repeats a script
// after a network error. Time comes from Redis inside the scripts, never from a process's clock.
//
// The verbs by file: accept.go takes disbursals in, import.go opens imports; guards.go says what is
// asked of their recipients, holds.go lists who is held, and release.go queues them; send.go
// claims, begins, records and splits batches; polling.go hands out status queries and observes what
// they bring; callbacks.go and parked.go apply or park callbacks; decisions.go and cancel.go apply
// what persons decide, which audit.go keeps; erase.go erases a phone number (erase_records.go,
// erase_guards.go and erase_streams.go find it, erased.go says what stands for it); channels.go
// pauses and resumes, campaigns.go does so with a campaign, or slows it down; routing.go moves
// recipients to another provider; floats.go keeps what is left at providers; sweep.go requeues or
// puts in doubt what has lapsed; verify.go recounts the books and forgets old disbursals;
// webhooks.go hands out results for delivery to producers, and endpoints.go says where that stands.
//
// Reading: lookup.go (status and report), stored.go (chunks as they are stored), list.go (imports
// and campaigns), listing.go (disbursals, newest first), find.go and fingerprint.go (recipients by
// what they are called), cursor.go (where a list goes on), timeline.go, timeline_holds.go,
// journal.go and verdict.go (what happened to one), superseded.go (what is known of batches that
// one has left), book.go (what books say), statement.go (what became of a month's money),
// review.go (what waits for a person), stats.go and sizes.go (metrics), recent.go and same.go
// (duplicates of imports), known.go (names for completion), doctor.go. Around them: store.go has
// the options, safety.go checks that the Redis can be trusted, layout.go the version of the stored
// layout, scripts.go builds and runs scripts, keys.go names every key, names.go spells what
// producers call their own, codes.go keeps the providers' codes, provider.go tells scripts about
// providers, rules.go compares the routing rules of processes, streams.go reads jobs and writes
// rejected ones, results.go reads results, budgets.go trims streams, sessions.go keeps who looks at
// the console, types.go has what verbs take and return, testing.go is for tests.
package state

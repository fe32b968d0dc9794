// Package intake turns input into validated and routed disbursals: JSON jobs (job.go, decode.go),
// files and the jobs stream (stream.go).
//
// Of a file, source.go opens it and reads lines, text.go finds its encoding, format.go how its rows
// are written: as JSON Lines (jsonlines.go), or as a table (table.go) of CSV (delimited.go) or of
// XLSX (workbook.go, and sheet.go for the rows). headings.go and mapping.go say which of its
// columns are which fields, values.go turns cells into fields. scan.go checks all rows, repeats.go
// finds numbers and ids that occur twice, drafts.go groups them to disbursals, plan.go is the whole
// file, content.go hashes what it pays, recall.go asks what the state holds of it already,
// guards.go whom guards would refuse, cells.go protects what is written for spreadsheets.
//
// rules.go checks recipients, schedule.go when a job may be sent, routing.go writes down whom
// package routing chooses for them, duplicates.go finds rows that were accepted under another name.
// What today's rules have against a disbursal are its Objections, which is no error: the state is
// asked first whether it holds it. It imports no Redis client: what it returns is ready for the
// state's Accept.
package intake

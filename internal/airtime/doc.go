// Package airtime holds the types that every other package uses: Status and its one table
// (status.go), Verdict and Reason (verdict.go), Money and currencies, MSISDN with the networks of
// Kenya (kenya.go), Recipient. It is the leaf of the import graph: it imports neither Redis, nor
// asynq, nor providers.
package airtime

// Package airtime holds the types that every other package uses: Status and its one table
// (status.go), Verdict and Reason (verdict.go), Money (money.go), currencies (currency.go) and
// discounts (discount.go), MSISDN (msisdn.go) with the networks of Kenya (kenya.go), Recipient
// (recipient.go). text.go masks numbers in texts, spelling.go finds one. It is the leaf of the
// import graph: it imports neither Redis, nor asynq, nor providers.
package airtime

// Package airtime holds the words of the product: Status, Verdict, Reason, Money and MSISDN.
// It is the leaf of the import graph: it knows nothing of Redis, queues or providers.
package airtime

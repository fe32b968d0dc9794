package airtime

// Recipient is one phone number and what it is to get.
type Recipient struct {
	Phone  MSISDN
	Amount Money
	// ID is the producer's own name of the recipient, such as an order line; empty for none.
	ID string
}

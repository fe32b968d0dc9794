package airtime

// Recipient is one phone number and what it is to get.
type Recipient struct {
	Phone  MSISDN
	Amount Money
}

package airtime

import "fmt"

// Network is a Kenyan operator. Numbers can be ported, so the network of a prefix is a hint,
// which the settings can correct. The zero value is no Kenyan network.
type Network uint8

// The networks.
const (
	NoNetwork Network = iota
	Safaricom
	Airtel
	Telkom
	Equitel
	// OtherNetwork is one of the small operators, most of which no provider serves.
	OtherNetwork
)

var networkNames = [...]string{
	NoNetwork: "", Safaricom: "safaricom", Airtel: "airtel", Telkom: "telkom",
	Equitel: "equitel", OtherNetwork: "other",
}

// Networks returns every network but NoNetwork.
func Networks() []Network { return []Network{Safaricom, Airtel, Telkom, Equitel, OtherNetwork} }

// String returns the network's name in lower case, "" for NoNetwork.
func (n Network) String() string {
	if int(n) >= len(networkNames) {
		return fmt.Sprintf("network(%d)", uint8(n))
	}
	return networkNames[n]
}

// ParseNetwork returns the network with that name. An error is returned for any other word.
func ParseNetwork(name string) (Network, error) {
	for _, n := range Networks() {
		if n.String() == name {
			return n, nil
		}
	}
	return NoNetwork, fmt.Errorf("network %q does not exist", name)
}

// prefixRange is a run of three-digit prefixes of national numbers, both ends included.
type prefixRange struct {
	first, last int
	network     Network
}

// kenyanRanges are the prefixes of Kenyan mobiles; a test holds them against the phone number
// library prefix by prefix. Parsing by this table takes a hundredth of the library's time.
var kenyanRanges = []prefixRange{
	{100, 108, Airtel},
	{110, 119, Safaricom},
	{120, 120, Telkom},
	{121, 121, OtherNetwork}, // Infura.
	{124, 124, Equitel},
	{130, 130, OtherNetwork}, // NRG Media.
	{140, 143, Safaricom},
	{700, 729, Safaricom},
	{730, 739, Airtel},
	{740, 743, Safaricom},
	{744, 744, OtherNetwork}, // Homeland Media.
	{745, 746, Safaricom},
	{747, 747, OtherNetwork}, // JTL.
	{748, 749, Safaricom},
	{750, 756, Airtel},
	{757, 759, Safaricom},
	{760, 760, OtherNetwork}, // Mobile Pay.
	{761, 762, Airtel},
	{763, 766, Equitel},
	{767, 767, OtherNetwork}, // Sema Mobile.
	{768, 769, Safaricom},
	{770, 779, Telkom},
	{780, 789, Airtel},
	{790, 799, Safaricom},
}

// kenyanNetworks is kenyanRanges by prefix, for a look-up without a search.
var kenyanNetworks = spreadRanges(kenyanRanges)

func spreadRanges(ranges []prefixRange) (table [1000]Network) {
	for _, r := range ranges {
		for prefix := r.first; prefix <= r.last; prefix++ {
			table[prefix] = r.network
		}
	}
	return table
}

// kenyanNetwork returns the network of a national number of nine digits, NoNetwork for a prefix
// that no Kenyan mobile has.
func kenyanNetwork[T string | []byte](national T) Network {
	return kenyanNetworks[int(national[0]-'0')*100+int(national[1]-'0')*10+int(national[2]-'0')]
}

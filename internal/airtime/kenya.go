package airtime

// network is an operator that a Kenyan prefix was first given to.
type network uint8

// The networks. Numbers can be ported, so a network is a hint and never a reason to refuse.
const (
	noNetwork network = iota
	safaricom
	airtel
	telkom
	equitel
	otherNetwork
)

var networkNames = [...]string{
	noNetwork: "", safaricom: "safaricom", airtel: "airtel", telkom: "telkom",
	equitel: "equitel", otherNetwork: "other",
}

// prefixRange is a run of three-digit prefixes of national numbers, both ends included.
type prefixRange struct {
	first, last int
	network     network
}

// kenyanRanges are the prefixes of Kenyan mobiles; a test holds them against the phone number
// library prefix by prefix. Parsing by this table takes a hundredth of the library's time.
var kenyanRanges = []prefixRange{
	{100, 108, airtel},
	{110, 119, safaricom},
	{120, 120, telkom},
	{121, 121, otherNetwork}, // Infura.
	{124, 124, equitel},
	{130, 130, otherNetwork}, // NRG Media.
	{140, 143, safaricom},
	{700, 729, safaricom},
	{730, 739, airtel},
	{740, 743, safaricom},
	{744, 744, otherNetwork}, // Homeland Media.
	{745, 746, safaricom},
	{747, 747, otherNetwork}, // JTL.
	{748, 749, safaricom},
	{750, 756, airtel},
	{757, 759, safaricom},
	{760, 760, otherNetwork}, // Mobile Pay.
	{761, 762, airtel},
	{763, 766, equitel},
	{767, 767, otherNetwork}, // Sema Mobile.
	{768, 769, safaricom},
	{770, 779, telkom},
	{780, 789, airtel},
	{790, 799, safaricom},
}

// kenyanNetworks is kenyanRanges by prefix, for a look-up without a search.
var kenyanNetworks = spreadRanges(kenyanRanges)

func spreadRanges(ranges []prefixRange) (table [1000]network) {
	for _, r := range ranges {
		for prefix := r.first; prefix <= r.last; prefix++ {
			table[prefix] = r.network
		}
	}
	return table
}

// kenyanNetwork returns the network of a national number of nine digits, noNetwork for a prefix
// that no Kenyan mobile has.
func kenyanNetwork[T string | []byte](national T) network {
	return kenyanNetworks[int(national[0]-'0')*100+int(national[1]-'0')*10+int(national[2]-'0')]
}

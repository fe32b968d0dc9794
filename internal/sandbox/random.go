package sandbox

// Every random draw is a hash of the seed and of what is drawn, never a shared generator: the same
// request gets the same faults and outcomes whatever other requests run at the same time.

// salts keep the draws about one recipient independent of each other.
const (
	saltOutcome uint64 = iota + 1
	saltDetour
	saltLate
	saltStart
	saltIdentifier
	saltMember
	saltToken
	saltDelay
	saltCallback
	saltValidation
)

// hashText is FNV-1a, begun with the seed.
func hashText(seed uint64, text string) uint64 {
	h := 14695981039346656037 ^ mix(seed, 0)
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	return h
}

// mix folds a value into a hash and spreads the bits (the finalizer of splitmix64).
func mix(h, value uint64) uint64 {
	h += value*0x9e3779b97f4a7c15 + 0x9e3779b97f4a7c15
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// unit turns a hash into a number in [0, 1).
func unit(h uint64) float64 { return float64(h>>11) / (1 << 53) }

package intake

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strconv"
	"strings"
)

// content hashes what a file pays, in its order: numbers, amounts, ids, currencies, providers as
// given, campaigns and references. How the file was saved has no part in it, nor have today's
// rules. A row that cannot be read counts as one such row, whatever it holds: corrected, it is
// another content.
type content struct {
	sum  hash.Hash
	text []byte // Not yet hashed.
	last string // The reference that was written last.
}

func newContent() content { return content{sum: sha256.New()} }

// addGroup names the next combination; recipients say its number.
func (c *content) addGroup(given combination) {
	c.text = append(c.text, 'w')
	for _, word := range []string{given.provider, given.currency, given.campaign} {
		c.text = strconv.AppendQuote(c.text, word)
	}
	if given.notBefore != 0 {
		c.text = strconv.AppendInt(append(c.text, ' '), given.notBefore, 10)
	}
	c.end()
}

func (c *content) recipient(phone uint64, minor int64, group uint32, reference, id string) {
	if reference != c.last {
		c.last = strings.Clone(reference) // It may be a part of a whole line.
		c.text = strconv.AppendQuote(append(c.text, 'r'), reference)
		c.end()
	}
	c.text = strconv.AppendUint(append(c.text, 'p'), phone, 10)
	c.text = strconv.AppendInt(append(c.text, ' '), minor, 10)
	c.text = strconv.AppendUint(append(c.text, ' '), uint64(group), 10)
	if id != "" {
		c.text = strconv.AppendQuote(append(c.text, ' '), id)
	}
	c.end()
}

func (c *content) unreadable() {
	c.text = append(c.text, '?')
	c.end()
}

// end ends a line.
func (c *content) end() {
	c.text = append(c.text, '\n')
	if len(c.text) >= 1<<13 {
		c.flush()
	}
}

func (c *content) flush() {
	_, _ = c.sum.Write(c.text) // A hash does not fail.
	c.text = c.text[:0]
}

// hash returns the hex SHA-256 of everything so far.
func (c *content) hash() string {
	c.flush()
	return hex.EncodeToString(c.sum.Sum(nil))
}

package state

import (
	"fmt"
	"strconv"
	"strings"
)

// cursor is where a list ended, for whoever asks for the rest of it: three numbers, and a chunk.
type cursor struct {
	numbers [3]int64
	chunk   string
}

// String spells it.
func (c cursor) String() string {
	return fmt.Sprintf("%d.%d.%d.%s", c.numbers[0], c.numbers[1], c.numbers[2], c.chunk)
}

// parseCursor reads what String spells. ErrCursor is returned for anything else.
func parseCursor(text string) (c cursor, err error) {
	words := strings.Split(text, ".")
	if len(words) != 4 {
		return c, fmt.Errorf("%q %w", text, ErrCursor)
	}
	for i := range c.numbers {
		c.numbers[i], err = strconv.ParseInt(words[i], 10, 64)
		if err != nil || c.numbers[i] < 0 {
			return c, fmt.Errorf("%q %w", text, ErrCursor)
		}
	}
	c.chunk = words[3]
	return c, nil
}

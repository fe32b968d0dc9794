package intake

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"golang.org/x/text/encoding/unicode"
)

// examined is how much of a file's beginning is looked at to know its encoding and its line ends.
const examined = 1 << 12

var (
	markUTF8     = []byte{0xef, 0xbb, 0xbf}
	markLittle   = []byte{0xff, 0xfe}
	markBig      = []byte{0xfe, 0xff}
	markLittle32 = []byte{0xff, 0xfe, 0, 0}
	markBig32    = []byte{0, 0, 0xfe, 0xff}
)

// textOf returns what a text in UTF-8 or UTF-16 says, in UTF-8, without its byte-order mark. Half a
// surrogate pair and half a character at the end become replacement characters, which no field of a
// row may hold.
func textOf(from *bufio.Reader) (io.Reader, error) {
	head, err := from.Peek(examined)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read import file: %w", err)
	}
	order, marked := unicode.LittleEndian, 0
	switch {
	case bytes.HasPrefix(head, markLittle32), bytes.HasPrefix(head, markBig32):
		return nil, errors.New("the file is in UTF-32: save it as UTF-8")
	case bytes.HasPrefix(head, markUTF8):
		_, _ = from.Discard(len(markUTF8)) // It was peeked: it is there.
		return from, nil
	case bytes.HasPrefix(head, markLittle):
		marked = len(markLittle)
	case bytes.HasPrefix(head, markBig):
		order, marked = unicode.BigEndian, len(markBig)
	case mostlyZero(head, 1) && !mostlyZero(head, 0):
	case mostlyZero(head, 0) && !mostlyZero(head, 1):
		order = unicode.BigEndian
	default:
		return from, nil
	}
	_, _ = from.Discard(marked)
	return unicode.UTF16(order, unicode.IgnoreBOM).NewDecoder().Reader(from), nil
}

// mostlyZero reports whether most of every second byte, from the one at start, are zero: so they
// are beside ASCII in UTF-16.
func mostlyZero(head []byte, start int) bool {
	zeros, all := 0, 0
	for i := start; i < len(head); i += 2 {
		all++
		if head[i] == 0 {
			zeros++
		}
	}
	return zeros > all/2
}

package intake

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strings"
)

// maxLine bounds one line of a file, in bytes. A job of 1,000 recipients takes about a tenth.
const maxLine = 1 << 20

var gzipMagic = []byte{0x1f, 0x8b}

// OpenFile opens a file for reading, unpacked when it is gzip (by its first bytes, or by the name
// .gz, which then must hold). The path "-" is standard input. An error is returned when the file
// cannot be read or is named .gz and is not gzip.
func OpenFile(path string) (io.ReadCloser, error) {
	if path == "-" {
		return unpack(os.Stdin, nil, false)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open import file: %w", err)
	}
	return unpack(file, nil, strings.HasSuffix(path, ".gz"))
}

// unpack wraps file, which it closes. read is told of the bytes read from it so far.
func unpack(file io.ReadCloser, read func(int64), mustBeGzip bool) (io.ReadCloser, error) {
	buffered := bufio.NewReaderSize(&counter{reader: file, report: read}, 1<<16)
	magic, err := buffered.Peek(len(gzipMagic))
	if err != nil && !errors.Is(err, io.EOF) {
		_ = file.Close() // The read error is the one that says something.
		return nil, fmt.Errorf("read import file: %w", err)
	}
	if !bytes.Equal(magic, gzipMagic) {
		if mustBeGzip {
			_ = file.Close()
			return nil, errors.New("the file is named .gz but is not gzip")
		}
		return source{buffered, file}, nil
	}
	unpacked, err := gzip.NewReader(buffered)
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("unpack import file: %w", err)
	}
	return source{unpacked, file}, nil
}

// source reads from one place and closes another.
type source struct {
	io.Reader
	io.Closer
}

// counter reports how many bytes went through it.
type counter struct {
	reader io.Reader
	report func(int64)
	total  int64
}

func (c *counter) Read(buffer []byte) (int, error) {
	n, err := c.reader.Read(buffer)
	c.total += int64(n)
	if c.report != nil {
		c.report(c.total)
	}
	return n, err
}

// spool copies what can be read only once into a temporary file, since an import reads twice.
func spool(from io.Reader) (path string, err error) {
	file, err := os.CreateTemp("", "tuma-import-*")
	if err != nil {
		return "", fmt.Errorf("copy what is imported: %w", err)
	}
	_, err = io.Copy(file, from)
	if err = errors.Join(err, file.Close()); err != nil {
		return "", fmt.Errorf("copy what is imported: %w", errors.Join(err, os.Remove(file.Name())))
	}
	return file.Name(), nil
}

// lines reads a text line by line and hashes what it reads.
type lines struct {
	reader *bufio.Reader
	sum    hash.Hash
	end    byte // What ends a line: a line feed, or a carriage return where there is no line feed.
	number int  // Of the line that next returned last; the first is 1.
	long   []byte
}

func newLines(from io.Reader) (*lines, error) {
	sum := sha256.New()
	reader := bufio.NewReaderSize(io.TeeReader(from, sum), 1<<16)
	head, err := reader.Peek(examined)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read import file: %w", err)
	}
	end := byte('\n')
	if bytes.IndexByte(head, '\n') < 0 && bytes.IndexByte(head, '\r') >= 0 {
		end = '\r'
	}
	return &lines{reader: reader, sum: sum, end: end}, nil
}

// next returns the next line without its end; it is valid until the next call. io.EOF is returned
// after the last one.
func (l *lines) next(ctx context.Context) ([]byte, error) {
	line, err := l.read()
	if err != nil && (!errors.Is(err, io.EOF) || len(line) == 0) {
		return nil, err
	}
	if l.number%1024 == 0 && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

// read returns the next line, put together when it is longer than the reader's buffer.
func (l *lines) read() ([]byte, error) {
	l.long = l.long[:0]
	for {
		piece, err := l.reader.ReadSlice(l.end)
		if len(l.long)+len(piece) > maxLine {
			return nil, fmt.Errorf("line %d is longer than %d bytes", l.number+1, maxLine)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			l.long = append(l.long, piece...)
			continue
		case err != nil && !errors.Is(err, io.EOF):
			return nil, fmt.Errorf("read import file after line %d: %w", l.number, err)
		}
		l.number++
		if len(l.long) > 0 {
			l.long = append(l.long, piece...)
			piece = l.long
		}
		return piece, err
	}
}

// contentHash returns the hex SHA-256 of everything read so far.
func (l *lines) contentHash() string { return hex.EncodeToString(l.sum.Sum(nil)) }

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"tuma/internal/cli"
)

// errOtherRejects is returned when the rejects file holds something else already.
var errOtherRejects = errors.New("the file exists and holds other rows: it is never overwritten; " +
	"move it away or name another")

// writeRejects writes the refused rows to the rejects file, before anything is accepted. A file
// that an interrupted run of the same import has left, with the same rows, is taken as it is.
func (i *importing) writeRejects(ctx context.Context) error {
	if i.plan.Refused() == 0 {
		return nil
	}
	file, err := os.OpenFile(i.rejects, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		err = i.compareRejects(ctx)
		if errors.Is(err, errOtherRejects) {
			return cli.Usagef("--rejects: %s: %w", i.rejects, errOtherRejects)
		}
		return err
	}
	if err != nil {
		return cli.Usagef("--rejects: %w", err)
	}
	err = errors.Join(i.plan.WriteRejects(ctx, file), file.Sync(), file.Close())
	if err != nil {
		return fmt.Errorf("write %s: %w; nothing was accepted", i.rejects,
			errors.Join(err, os.Remove(i.rejects)))
	}
	return nil
}

// compareRejects returns errOtherRejects unless the file holds exactly what would be written.
func (i *importing) compareRejects(ctx context.Context) error {
	file, err := os.Open(i.rejects)
	if err != nil {
		return cli.Usagef("--rejects: %w", err)
	}
	defer func() { _ = file.Close() }() // It was only read.
	there := bufio.NewReader(file)
	if err := i.plan.WriteRejects(ctx, comparer{there}); err != nil {
		return err
	}
	if _, err := there.ReadByte(); !errors.Is(err, io.EOF) {
		return errOtherRejects
	}
	return nil
}

// comparer is written to, and fails when what is written is not what it reads.
type comparer struct{ from io.Reader }

// Write returns errOtherRejects when the bytes differ.
func (c comparer) Write(written []byte) (int, error) {
	there := make([]byte, len(written))
	if _, err := io.ReadFull(c.from, there); err != nil || !bytes.Equal(there, written) {
		return 0, errOtherRejects
	}
	return len(written), nil
}

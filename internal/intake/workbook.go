package intake

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/xuri/excelize/v2"

	"tuma/internal/nearest"
)

// Limits of an XLSX file: it is packed, and a small one may unpack into more than there is room
// for.
const (
	maxPacked   = 256 << 20
	maxUnpacked = 1 << 30
	maxInMemory = 128 << 20 // What is unpacked into memory; larger sheets are put aside.
	maxParts    = 10_000
	sheetBuffer = 16 << 20 // A sheet, or table of texts, that is larger is put aside.
)

var (
	zipMagic = []byte("PK\x03\x04")
	// oleMagic begins old Excel files, and new ones that are protected by a password.
	oleMagic = []byte{0xd0, 0xcf, 0x11, 0xe0}
)

// workbook is an XLSX file whose sheet is read. It is a copy: it can be read only as a whole.
type workbook struct {
	path   string
	sum    string
	packed *zip.ReadCloser
	book   *excelize.File
}

// openXLSX reads the header of a sheet.
func openXLSX(ctx context.Context, from io.Reader, options Options, rejects io.Writer,
) (_ format, err error) {
	w := &workbook{}
	undo := w.close
	defer func() {
		if err != nil {
			err = errors.Join(err, undo())
		}
	}()
	if err := w.unpack(from); err != nil {
		return nil, err
	}
	name, notices, err := w.choose(options.Sheet)
	if err != nil {
		return nil, err
	}
	rows, err := w.open(name)
	if err != nil {
		return nil, fmt.Errorf("sheet %q: %w", name, err)
	}
	undo = rows.close
	header, err := rows.next(ctx)
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("sheet %q: %w", name, errEmpty)
	}
	if err != nil {
		return nil, err
	}
	found, err := newTable(rows, header, options, rejects)
	if err != nil {
		return nil, err
	}
	found.ragged, found.known = true, append(notices, found.known...)
	return found, nil
}

// unpack copies the file and opens the copy, if it is no larger than it may be.
func (w *workbook) unpack(from io.Reader) error {
	sum := sha256.New()
	var err error
	w.path, err = spool(io.TeeReader(io.LimitReader(from, maxPacked+1), sum))
	if err != nil {
		return err
	}
	info, err := os.Stat(w.path)
	if err != nil {
		return fmt.Errorf("open the copy of the XLSX file: %w", err)
	}
	if info.Size() > maxPacked {
		return fmt.Errorf("the XLSX file is larger than %d MiB: split it, or save it as CSV",
			maxPacked>>20)
	}
	w.sum = hex.EncodeToString(sum.Sum(nil))
	if w.packed, err = zip.OpenReader(w.path); err != nil {
		return fmt.Errorf("the XLSX file cannot be unpacked: %w", err)
	}
	if err := w.check(); err != nil {
		return err
	}
	return guarded(func() (err error) {
		w.book, err = excelize.OpenFile(w.path, excelize.Options{
			RawCellValue: true, UnzipSizeLimit: maxUnpacked, UnzipXMLSizeLimit: sheetBuffer,
		})
		return err
	})
}

// check looks at the list of parts before anything is unpacked.
func (w *workbook) check() error {
	var all, inMemory uint64
	for _, part := range w.packed.File {
		all += part.UncompressedSize64
		name := strings.ToLower(part.Name)
		if part.UncompressedSize64 <= sheetBuffer || name != "xl/sharedstrings.xml" &&
			!strings.HasPrefix(name, "xl/worksheets/sheet") {
			inMemory += part.UncompressedSize64
		}
		if all > maxUnpacked || inMemory > maxInMemory || len(w.packed.File) > maxParts {
			return fmt.Errorf("the XLSX file unpacks to more than it may (%d MiB, and %d MiB beside "+
				"large sheets): save the list alone, or as CSV", maxUnpacked>>20, maxInMemory>>20)
		}
	}
	if _, err := w.packed.Open("xl/workbook.xml"); err != nil {
		return errors.New("the file is packed, but is no XLSX: save it as XLSX or CSV, or unpack it")
	}
	return nil
}

// guarded turns a panic into an error: some broken files are not understood otherwise.
func guarded(read func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the XLSX file is broken: %v", cause)
		}
	}()
	if err = read(); err != nil {
		return fmt.Errorf("the XLSX file cannot be read: %w", err)
	}
	return nil
}

// choose finds the sheet that is asked for, or else the first that is shown.
func (w *workbook) choose(wanted string) (name string, notices []string, err error) {
	names := w.book.GetSheetList()
	shownNames := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		visible, err := w.book.GetSheetVisible(name)
		return err == nil && !visible
	})
	switch {
	case len(names) == 0:
		return "", nil, errors.New("the XLSX file has no sheet")
	case wanted != "":
		at := slices.IndexFunc(names, func(name string) bool { return strings.EqualFold(name, wanted) })
		if at < 0 {
			return "", nil, &OptionError{"sheet", fmt.Errorf("the file has no sheet %q; the nearest is "+
				"%q", wanted, nearest.Of(wanted, names))}
		}
		return names[at], nil, nil
	case len(shownNames) == 0:
		return names[0], nil, nil
	case len(shownNames) > 1:
		notices = append(notices, fmt.Sprintf("only the first of %d sheets is read, %q: --sheet NAME "+
			"reads another", len(shownNames), shownNames[0]))
	}
	return shownNames[0], notices, nil
}

// open opens a sheet for reading.
func (w *workbook) open(name string) (*sheetRows, error) {
	part, err := w.part(name)
	if err != nil {
		return nil, err
	}
	raw, err := w.packed.Open(part)
	if err != nil {
		return nil, errors.New("it is no table")
	}
	rows := &sheetRows{workbook: w, raw: raw, marks: newMarkReader(raw)}
	err = guarded(func() (err error) {
		rows.texts, err = w.book.Rows(name)
		return err
	})
	return rows, err
}

// part finds where in the file a sheet is.
func (w *workbook) part(name string) (string, error) {
	var book struct {
		Sheets []struct {
			Name string `xml:"name,attr"`
			ID   string `xml:"id,attr"`
		} `xml:"sheets>sheet"`
	}
	var relations struct {
		All []struct {
			ID     string `xml:"Id,attr"`
			Target string `xml:"Target,attr"`
		} `xml:"Relationship"`
	}
	err := errors.Join(w.decode("xl/workbook.xml", &book),
		w.decode("xl/_rels/workbook.xml.rels", &relations))
	if err != nil {
		return "", err
	}
	for _, sheet := range book.Sheets {
		for _, relation := range relations.All {
			if sheet.Name == name && sheet.ID == relation.ID {
				if rooted, ok := strings.CutPrefix(relation.Target, "/"); ok {
					return rooted, nil
				}
				return path.Join("xl", relation.Target), nil
			}
		}
	}
	return "", errors.New("the file does not say where it is")
}

// decode reads a small part.
func (w *workbook) decode(part string, into any) error {
	file, err := w.packed.Open(part)
	if err != nil {
		return fmt.Errorf("the XLSX file is broken: %w", err)
	}
	defer func() { _ = file.Close() }() // It was only read.
	if err := xml.NewDecoder(file).Decode(into); err != nil {
		return fmt.Errorf("the XLSX file is broken: %s: %w", part, err)
	}
	return nil
}

func (w *workbook) hash() string { return w.sum }

// close removes the copy, and what was put aside.
func (w *workbook) close() (err error) {
	if w.book != nil {
		err = w.book.Close()
	}
	if w.packed != nil {
		err = errors.Join(err, w.packed.Close())
	}
	if w.path != "" {
		err = errors.Join(err, os.Remove(w.path))
	}
	if err != nil {
		return fmt.Errorf("remove the copy of the XLSX file: %w", err)
	}
	return nil
}

// packedFormat returns an error for packed files that are no XLSX, and whether a file is one.
func packedFormat(head []byte) (xlsx bool, err error) {
	switch {
	case bytes.HasPrefix(head, zipMagic):
		return true, nil
	case bytes.HasPrefix(head, oleMagic):
		return false, errors.New("the file is an old Excel file (.xls), or protected by a password: " +
			"save it as XLSX without one, or as CSV")
	default:
		return false, nil
	}
}

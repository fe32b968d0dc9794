package intake

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/xuri/excelize/v2"
)

// fixture is the path of a file that another program wrote.
func fixture(name string) string { return filepath.Join("testdata", "spreadsheets", name) }

// One list has one reference, whichever program saved it.
func TestFilesOfOtherPrograms(t *testing.T) {
	t.Parallel()
	list, err := Scan(t.Context(), fixture("list.csv"), Options{}, testRules())
	require.NoError(t, err)
	for name, options := range map[string]Options{
		"libreoffice.xlsx": {}, "libreoffice-semicolon.csv": {}, "libreoffice-utf16.csv": {},
		"pandas.csv": {}, "pandas-float.csv": {}, "pandas-tab.txt": {}, "pandas-german.csv": {},
		"pandas.xlsx": {}, "pandas-index.csv": {IgnoreExtra: true},
		"pandas-index.xlsx": {IgnoreExtra: true}, "excel-german.csv": {}, "excel-unicode.txt": {},
		"excel-macintosh.csv": {}, "openpyxl.xlsx": {}, "openpyxl.xlsx ": {Sheet: "texts"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := fixture(strings.TrimSpace(name))
			plan, err := Scan(t.Context(), path, options, testRules())
			require.NoError(t, err)
			require.Empty(t, faultTexts(plan))
			require.Equal(t, list.Reference, plan.Reference)
			require.Equal(t, brief(t, list), brief(t, plan))
			require.Empty(t, rejects(t, plan))
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			var packed bytes.Buffer
			packer := gzip.NewWriter(&packed)
			_, err = packer.Write(data)
			require.NoError(t, err)
			require.NoError(t, packer.Close())
			for _, input := range [][]byte{data, packed.Bytes()} {
				piped := options
				piped.Stdin = bytes.NewReader(input)
				plan, err := Scan(t.Context(), "-", piped, testRules())
				require.NoError(t, err)
				require.Equal(t, list.Reference, plan.Reference)
				require.NoError(t, plan.Close())
			}
		})
	}
}

func TestFilesOfOtherProgramsThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"libreoffice.xls":   "the file is an old Excel file (.xls), or protected by a password",
		"libreoffice.ods":   "the file is packed, but is no XLSX: save it as XLSX or CSV",
		"pandas-index.csv":  "line 2: column 1 holds something, and the header has no heading",
		"pandas-index.xlsx": "line 2: column 1 holds something, and the header has no heading",
	} {
		_, err := Scan(t.Context(), fixture(name), Options{}, testRules())
		require.ErrorContains(t, err, want, name)
	}
	plan, err := Scan(t.Context(), fixture("excel-spoilt.csv"), Options{}, testRules())
	require.NoError(t, err)
	faults := faultTexts(plan)
	require.Contains(t, faults[0], `line 2: phone_number: "2,54711E+11" has lost its digits`)
	require.Contains(t, faults[1], `line 3: amount: is an error of the spreadsheet: "#NAME?"`)
}

func TestSpoiltCellsOfASheet(t *testing.T) {
	t.Parallel()
	options := Options{Reference: "R", IgnoreExtra: true}
	plan, err := Scan(t.Context(), fixture("openpyxl-spoilt.xlsx"), options, testRules())
	require.NoError(t, err)
	faults := faultTexts(plan)
	for i, want := range []string{
		`line 2: phone_number: "2.54711E+11" has lost its digits in a spreadsheet`,
		"line 3: phone_number: is a formula, whose value another program may see otherwise",
		"line 4: amount: is a formula, whose value another program may see otherwise",
		`line 5: amount: "1,50": a comma stands for thousands here`,
		"line 6: amount: is a date: a spreadsheet has taken it for one",
		"line 7: phone_number: is a date: a spreadsheet has taken it for one",
		"line 8: amount: is TRUE or FALSE",
		`line 9: phone_number: is an error of the spreadsheet: "#N/A"`,
		`line 10: phone_number: "711000…" is no phone number`,
		`line 11: phone_number: "-711000…" is no phone number`,
		"line 12: amount: has more decimals than KES has (2)",
		"line 13: amount: is in USD, but the row's currency is KES",
	} {
		require.Contains(t, faults[i], want)
		requireNoNumber(t, plan.Faults[i].Faults)
	}
	require.Len(t, faults, 12)
	require.Equal(t, []string{"R/1 /lipad KES : 254711000013=50"}, brief(t, plan))
	require.Equal(t, []string{
		"columns that are no field are not read: Name", "1 rows that the sheet hides are read, too",
	}, plan.Notices)

	// Nothing of it is right by being written into the file of rejects.
	refused := rejects(t, plan)
	require.True(t, strings.HasPrefix(refused, "Phone,Amount,Name,reason\n2.54711E+11,10,'=1+1,"))
	require.Contains(t, refused, "\n711000003,'=5*2,'=1+1,")
	require.Contains(t, refused, "\n711000005,2026-12-04 00:00,")
	again, err := scanText(t, refused, options)
	require.NoError(t, err)
	require.Equal(t, int64(12), again.Rows)
	require.Zero(t, again.Good)
}

func TestSheets(t *testing.T) {
	t.Parallel()
	plan, err := Scan(t.Context(), fixture("openpyxl.xlsx"), Options{}, testRules())
	require.NoError(t, err)
	require.Equal(t, []string{
		`only the first of 2 sheets is read, "Numbers": --sheet NAME reads another`,
	}, plan.Notices)
	for sheet, want := range map[string]string{
		"Text":   `sheet: the file has no sheet "Text"; the nearest is "Texts"`,
		"Hidden": "the header has no column",
	} {
		_, err = Scan(t.Context(), fixture("openpyxl.xlsx"), Options{Sheet: sheet, IgnoreExtra: true},
			testRules())
		require.ErrorContains(t, err, want)
		var option *OptionError
		require.Equal(t, sheet == "Text", errors.As(err, &option))
	}
}

// repack writes an XLSX file anew with one part changed.
func repack(t testing.TB, name string, change func(text string) string) string {
	t.Helper()
	from, err := zip.OpenReader(fixture("libreoffice.xlsx"))
	require.NoError(t, err)
	defer func() { _ = from.Close() }()
	var out bytes.Buffer
	packer := zip.NewWriter(&out)
	for _, part := range from.File {
		file, err := part.Open()
		require.NoError(t, err)
		data, err := io.ReadAll(file)
		require.NoError(t, err)
		if part.Name == name {
			data = []byte(change(string(data)))
		}
		to, err := packer.Create(part.Name)
		require.NoError(t, err)
		_, err = to.Write(data)
		require.NoError(t, err)
	}
	require.NoError(t, packer.Close())
	return out.String()
}

// A sheet that was cut is no shorter list, and what unpacks to too much is not unpacked.
func TestBrokenWorkbooks(t *testing.T) {
	t.Parallel()
	const sheet = "xl/worksheets/sheet1.xml"
	cut := func(at string) func(string) string {
		return func(text string) string { return text[:strings.Index(text, at)] }
	}
	replace := func(from, to string) func(string) string {
		return func(text string) string {
			require.Contains(t, text, from)
			return strings.Replace(text, from, to, 1)
		}
	}
	for name, row := range map[string]struct{ text, want string }{
		"cut after a row":  {repack(t, sheet, cut(`<row r="4"`)), "the XLSX file is broken after line 3"},
		"cut after rows":   {repack(t, sheet, cut("</sheetData>")), "is broken"},
		"cut behind rows":  {repack(t, sheet, cut("</worksheet>")), "is broken"},
		"rows disordered":  {repack(t, sheet, replace(`<row r="4"`, `<row r="2"`)), "not in order"},
		"cells disordered": {repack(t, sheet, replace(`r="C2"`, `r="A2"`)), "not in order"},
		"no such sheet":    {repack(t, "xl/workbook.xml", replace("<sheets>", "<x>")), "cannot be read"},
		"not XML":          {repack(t, sheet, func(string) string { return "x" }), "is broken"},
		"bomb": {
			repack(t, "docProps/app.xml", func(string) string {
				return strings.Repeat(" ", maxInMemory+1)
			}), "the XLSX file unpacks to more than it may (1024 MiB, and 128 MiB beside large sheets)",
		},
		"cut zip": {repack(t, sheet, replace(" ", " "))[:2000], "the XLSX file cannot be unpacked"},
	} {
		_, err := scanText(t, row.text, Options{})
		require.ErrorContains(t, err, row.want, name)
	}
}

// writeWorkbook writes a workbook with rows of numbers and texts by the streaming writer.
func writeWorkbook(t testing.TB, rows int) string {
	t.Helper()
	book := excelize.NewFile()
	out, err := book.NewStreamWriter("Sheet1")
	require.NoError(t, err)
	require.NoError(t, out.SetRow("A1", []any{"Phone", "Amount", "Campaign"}))
	for i := range rows {
		at, err := excelize.CoordinatesToCellName(1, i+2)
		require.NoError(t, err)
		require.NoError(t, out.SetRow(at, []any{711000000 + i, 10 + float64(i%100)/4, "rewards"}))
	}
	require.NoError(t, out.Flush())
	path := filepath.Join(t.TempDir(), "list.xlsx")
	require.NoError(t, book.SaveAs(path))
	require.NoError(t, book.Close())
	return path
}

func TestALargeSheet(t *testing.T) {
	t.Parallel()
	plan, err := Scan(t.Context(), writeWorkbook(t, 2500), Options{Reference: "R"}, testRules())
	require.NoError(t, err)
	require.Equal(t, int64(2500), plan.Good)
	require.Len(t, brief(t, plan), 3)
}

// FuzzSheet reads sheets that no spreadsheet would write.
func FuzzSheet(f *testing.F) {
	const sheet = "xl/worksheets/sheet1.xml"
	repack(f, sheet, func(text string) string {
		f.Add(text)
		f.Add(strings.ReplaceAll(text, ` t="n"`, ` t="e"`))
		f.Add(strings.ReplaceAll(text, "<v>", "<f>A1</f><v>"))
		f.Add(strings.ReplaceAll(text, ` r="`, ` x="`))
		return text
	})
	rules := testRules()
	f.Fuzz(func(t *testing.T, text string) {
		plan, err := scanText(t, repack(t, sheet, func(string) string { return text }), Options{})
		if err != nil {
			require.NotRegexp(t, longRun, err.Error())
			return
		}
		for _, fault := range plan.Faults {
			requireNoNumber(t, fault.Faults)
		}
		requireTotals(t, plan, rules)
		require.Equal(t, plan.Refused() == 0, rejects(t, plan) == "")
	})
}

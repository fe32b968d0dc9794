package intake

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/state"
)

func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// scanText scans a file with the text.
func scanText(t testing.TB, text string, options Options) (*Plan, error) {
	t.Helper()
	return Scan(t.Context(), write(t, "file", text), options, testRules())
}

// brief spells what a plan yields: "reference provider currency campaign: phone=amount …".
func brief(t testing.TB, plan *Plan) []string {
	t.Helper()
	var all []string
	recipients := int64(0)
	require.NoError(t, plan.Disbursals(func(d state.Disbursal) error {
		text := fmt.Sprintf("%s %s/%s %s %s:", d.Reference, d.Given, d.Provider, d.Currency, d.Campaign)
		for _, r := range d.Recipients {
			text += " " + r.Phone.Digits() + "=" + r.Amount.Short()
		}
		recipients += int64(len(d.Recipients))
		require.Equal(t, plan.Reference, d.Import)
		all = append(all, text)
		return nil
	}))
	require.Equal(t, plan.Recipients, recipients)
	require.Equal(t, plan.Count, int64(len(all)))
	return all
}

func faultTexts(plan *Plan) []string {
	var all []string
	for _, fault := range plan.Faults {
		all = append(all, fault.Error())
	}
	return all
}

func rejects(t testing.TB, plan *Plan) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, plan.WriteRejects(t.Context(), &out))
	return out.String()
}

func TestScanCSV(t *testing.T) {
	t.Parallel()
	const want = "R/1 /lipad KES : 254711000000=10 254711000001=10.50"
	for name, text := range map[string]string{
		"plain":            "phone_number,amount\n0711000000,10\n0711000001,10.50\n",
		"no last line end": "phone_number,amount\n0711000000,10\n0711000001,10.50",
		"CRLF and mark":    "\ufeffphone_number,amount\r\n0711000000,10\r\n0711000001,10.50\r\n",
		"spaces": " phone_number , amount \n 0711000000\t, 10 \n\n" +
			"   \n+254 711 000001,10.50 \n\n",
		"other order": "amount,phone_number\n10,0711000000\n10.50,0711000001\n",
		"quotes": "\"phone_number\",\"amount\"\n\"0711000000\" , \"10\"\n" +
			"\"0711000001\",10.50\n",
		"reason ignored": "phone_number,reason,amount\n0711000000,\"a, \"\"b\"\"\",10\n" +
			"0711000001,,10.50\n",
		"JSON Lines": `{"phone_number":"0711000000","amount":10}` + "\n" +
			`{"amount":"10.50","phone_number":"0711000001","reason":"x"}`,
	} {
		plan, err := scanText(t, text, Options{Reference: "R"})
		require.NoError(t, err, name)
		require.Equal(t, []string{want}, brief(t, plan), name)
		require.Equal(t, int64(2), plan.Rows)
		require.Equal(t, int64(2), plan.Good)
		require.Equal(t, map[Route]Total{{"lipad", "KES"}: {2, 2050}}, plan.Totals)
		require.Equal(t, "a000b39a2bd6285ed984a6d1dcab75ac3ec86a1acfae89cb67a8db0d9e90fcc0",
			plan.ContentHash, "it is of what is paid, however it is saved")
		require.Empty(t, rejects(t, plan))
	}
}

func TestScanWithoutReferenceTakesTheContentHash(t *testing.T) {
	t.Parallel()
	plan, err := scanText(t, "phone_number,amount\n0711000000,10\n", Options{})
	require.NoError(t, err)
	require.Equal(t, plan.ContentHash[:16], plan.Reference)
}

func TestScanPackedAndFromStandardInput(t *testing.T) {
	t.Parallel()
	const text = "phone_number,amount\n0711000000,10\n"
	var packed bytes.Buffer
	packer := gzip.NewWriter(&packed)
	_, err := io.WriteString(packer, text)
	require.NoError(t, err)
	require.NoError(t, packer.Close())
	unpacked, err := scanText(t, text, Options{})
	require.NoError(t, err)
	for _, name := range []string{"a.csv.gz", "a"} {
		path := write(t, name, packed.String())
		var last, total int64
		options := Options{Progress: func(read, of int64) { last, total = read, of }}
		plan, err := Scan(t.Context(), path, options, testRules())
		require.NoError(t, err)
		require.Equal(t, unpacked.ContentHash, plan.ContentHash)
		require.Equal(t, int64(packed.Len()), last)
		require.Equal(t, int64(packed.Len()), total)
	}
	for _, input := range []string{text, packed.String()} {
		plan, err := Scan(t.Context(), "-", Options{Stdin: strings.NewReader(input)}, testRules())
		require.NoError(t, err)
		require.Len(t, brief(t, plan), 1)
		require.Empty(t, rejects(t, plan))
		require.FileExists(t, plan.path)
		require.NoError(t, plan.Close())
		require.NoFileExists(t, plan.path)
		require.NoError(t, plan.Close())
	}
	_, err = Scan(t.Context(), write(t, "b.gz", text), Options{}, testRules())
	require.ErrorContains(t, err, "not gzip")
	cut := packed.String()[:packed.Len()-6]
	_, err = Scan(t.Context(), write(t, "c.gz", cut), Options{}, testRules())
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestFilesThatCannotBeImported(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                             "the file is empty",
		"\n \n":                        "the file is empty",
		"phone_number,amount\n":        "the file has no rows",
		"fon,amount\n1,2\n":            "line 1: unknown column fon (the nearest field is phone_number)",
		"phone_number\n1\n":            "line 1: the header has no column amount",
		"amount,amount\n":              "line 1: the columns amount and amount are both amount",
		"phone_number|amount\n":        "line 1: unknown column phone_number|amount (the nearest",
		"0711000000,10\n":              "line 1: there is no header: the first row must name",
		"\"phone_number,amount\n":      "line 1: a quote is not closed",
		"[{\"phone_number\":\"1\"}]":   "line 1: a JSON list",
		strings.Repeat("x", maxLine+1): "line 1 is longer than",
		"phone_number,amount\n" + strings.Repeat("x", maxLine+1): "line 2 is longer than",
	} {
		plan, err := scanText(t, text, Options{})
		require.ErrorContains(t, err, want)
		require.Nil(t, plan)
	}
	_, err := scanText(t, "phone_number,amount\n0711000000,10\n", Options{Reference: "a b"})
	require.ErrorContains(t, err, "import reference: may hold only")
	_, err = scanText(t, "phone_number,amount\n0711000000,10\n",
		Options{Reference: strings.Repeat("a", 116)})
	require.ErrorContains(t, err, "import reference: longer than 115")
	_, err = Scan(t.Context(), t.TempDir(), Options{}, testRules())
	require.ErrorContains(t, err, "is a directory")
	_, err = Scan(t.Context(), "/does/not/exist", Options{}, testRules())
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestFaultyRowsNameTheirLineAndCanBeCorrected(t *testing.T) {
	t.Parallel()
	plan, err := scanText(t, "phone_number,amount,currency,campaign\n"+
		"0711000000,10,,\n"+
		"0202000000,9,KES,\"a, b\"\n"+
		"\n"+
		"0711000001\n"+
		"0711\"000002,10,,\n"+
		"0711000003,10,KSH,\n"+
		"+254711000000,20,,\n"+
		"0711000004,\xff,,\n"+
		"0711000005,10,,\n", Options{Reference: "R"})
	require.NoError(t, err)
	require.Equal(t, []string{
		"line 3: phone_number: 0202•••000 is not a mobile number (07… or 01…, ten digits); " +
			"amount: below the minimum of KES 10",
		"line 5: 1 columns, but the header has 4",
		"line 6: a quote inside a field: put the field in quotes and double it",
		`line 7: currency: "KSH" is not a known currency`,
		"line 8: phone_number: same number as on line 2",
		"line 9: not valid UTF-8: save the file as CSV in UTF-8",
	}, faultTexts(plan))
	require.Equal(t, int64(8), plan.Rows)
	require.Equal(t, int64(2), plan.Good)
	require.Equal(t, int64(6), plan.Refused())
	require.Equal(t, int64(1), plan.Repeats)
	require.Equal(t, []string{"R/1 /lipad KES : 254711000000=10 254711000005=10"}, brief(t, plan))

	refused := rejects(t, plan)
	require.Equal(t, 7, strings.Count(refused, "\n"))
	require.True(t, strings.HasPrefix(refused, "phone_number,amount,currency,campaign,reason\n"+
		"0202000000,9,KES,\"a, b\",\"phone_number: 0202•••000"), refused)

	again, err := scanText(t, refused, Options{Reference: "R2"})
	require.NoError(t, err)
	require.Equal(t, int64(6), again.Rows)
	require.Equal(t, int64(1), again.Good, "only the repeat is right by itself")
	corrected := strings.NewReplacer("0202000000,9", "0712000000,10", "KSH", "KES").Replace(refused)
	again, err = scanText(t, corrected, Options{Reference: "R2"})
	require.NoError(t, err)
	require.Equal(t, int64(3), again.Good)
}

func TestARefusedNumberStillCountsAsSeen(t *testing.T) {
	t.Parallel()
	plan, err := scanText(t, "phone_number,amount\n0711000000,1\n0711000000,10\n", Options{})
	require.NoError(t, err)
	require.Zero(t, plan.Good)
	require.Empty(t, brief(t, plan))
}

func TestRowsAreGroupedByPositionWhateverIsRefused(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("phone_number,amount\n")
	for i := range 2500 {
		amount := "10"
		if i%1000 == 7 || i >= 1000 && i < 1900 {
			amount = "1"
		}
		fmt.Fprintf(&text, "07%08d,%s\n", i, amount)
	}
	plan, err := scanText(t, text.String(), Options{Reference: "R"})
	require.NoError(t, err)
	var got []string
	require.NoError(t, plan.Disbursals(func(d state.Disbursal) error {
		got = append(got, fmt.Sprintf("%s %d %s", d.Reference, len(d.Recipients),
			d.Recipients[0].Phone.Digits()))
		requireSound(t, d, testRules())
		return nil
	}))
	require.Equal(t, []string{
		"R/1 999 254700000000", "R/2 100 254700001900", "R/3 499 254700002000",
	}, got)
}

func TestMixedRowsAreSplitByCombination(t *testing.T) {
	t.Parallel()
	const text = "phone_number,amount,provider,currency,campaign\n" +
		"0711000000,10,,,\n" +
		"0711000001,10,sozuri,,\n" +
		"+256772123456,500,,UGX,\n" +
		"0711000002,10,,KES,\n" +
		"0711000003,10,sozuri,KES,c\n"
	plan, err := scanText(t, text, Options{Reference: "R"})
	require.NoError(t, err)
	require.Equal(t, []string{
		"R/1 /lipad KES : 254711000000=10 254711000002=10",
		"R/1.2 sozuri/sozuri KES : 254711000001=10",
		"R/1.3 /lipad UGX : 256772123456=500",
		"R/1.4 sozuri/sozuri KES c: 254711000003=10",
	}, brief(t, plan))

	plan, err = scanText(t, text, Options{Reference: "R", Provider: "sozuri"})
	require.NoError(t, err)
	require.Equal(t, []string{
		"R/1 sozuri/sozuri KES : 254711000000=10 254711000001=10 254711000002=10",
		"R/1.3 sozuri/sozuri KES c: 254711000003=10",
	}, brief(t, plan))
}

// A part keeps its name when the rows of an earlier part are refused today and good tomorrow.
func TestPartNamesDoNotDependOnWhatIsRefused(t *testing.T) {
	t.Parallel()
	path := write(t, "f", "phone_number,amount,provider\n0711000000,10,late\n0711000001,10,lipad\n")
	rules := testRules()
	plan, err := Scan(t.Context(), path, Options{Reference: "R"}, rules)
	require.NoError(t, err)
	require.Equal(t, []string{"R/1.2 lipad/lipad KES : 254711000001=10"}, brief(t, plan))
	rules.Providers["late"] = rules.Providers["lipad"]
	plan, err = Scan(t.Context(), path, Options{Reference: "R"}, rules)
	require.NoError(t, err)
	require.Equal(t, []string{
		"R/1 late/late KES : 254711000000=10", "R/1.2 lipad/lipad KES : 254711000001=10",
	}, brief(t, plan))
}

func TestAllowedRepeatsGoToFurtherParts(t *testing.T) {
	t.Parallel()
	plan, err := scanText(t, "phone_number,amount\n0711000000,10\n0711000001,10\n0711000000,20\n"+
		"0711000000,30\n0711000001,20\n", Options{Reference: "R", AllowRepeats: true})
	require.NoError(t, err)
	require.Equal(t, int64(3), plan.Repeats)
	require.Equal(t, []string{
		"R/1 /lipad KES : 254711000000=10 254711000001=10",
		"R/1.2 /lipad KES : 254711000000=20 254711000001=20",
		"R/1.3 /lipad KES : 254711000000=30",
	}, brief(t, plan))
}

func TestReferenceColumn(t *testing.T) {
	t.Parallel()
	const text = "reference,phone_number,amount,provider\n" +
		"a,0711000000,10,\nb,0711000001,10,sozuri\na,0711000002,10,\nb,0711000003,10,sozuri\n"
	plan, err := scanText(t, text, Options{Reference: "R"})
	require.NoError(t, err)
	require.Equal(t, []string{
		"a /lipad KES : 254711000000=10 254711000002=10",
		"b sozuri/sozuri KES : 254711000001=10 254711000003=10",
	}, brief(t, plan))
}

func TestADisbursalWithAReferenceGoesWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	const text = "reference,phone_number,amount,provider\n" +
		"a,0711000000,10,\n" + // Good, but a is spoiled by line 4.
		"b,0711000001,10,\n" +
		"a,0711000002,1,\n" +
		",0711000003,10,\n" +
		"c,0711000004,10,\n" +
		"c,0711000005,10,sozuri\n" +
		"b,0711000006,10,\n"
	plan, err := scanText(t, text, Options{Reference: "R"})
	require.NoError(t, err)
	require.Equal(t, []string{"b /lipad KES : 254711000001=10 254711000006=10"}, brief(t, plan))
	spoiled := spoiledFault().Error()
	require.Equal(t, []string{
		"line 2: " + spoiled,
		"line 4: amount: below the minimum of KES 10",
		"line 5: reference: missing",
		"line 6: " + spoiled,
		"line 7: reference: its earlier rows have another provider, currency or campaign",
	}, faultTexts(plan))
	require.Equal(t, int64(5), plan.Refused())

	corrected := strings.Replace(rejects(t, plan), "0711000002,1,", "0711000002,10,", 1)
	again, err := scanText(t, corrected, Options{Reference: "R2"})
	require.NoError(t, err)
	require.Equal(t, []string{"a /lipad KES : 254711000000=10 254711000002=10"}, brief(t, again))
}

func TestRepeatsWithReferences(t *testing.T) {
	t.Parallel()
	const text = "reference,phone_number,amount\na,0711000000,10\nb,0711000000,10\n" +
		"c,0711000001,10\nc,0711000001,10\n"
	plan, err := scanText(t, text, Options{Reference: "R", AllowRepeats: true})
	require.NoError(t, err)
	require.Equal(t, []string{
		"a /lipad KES : 254711000000=10", "b /lipad KES : 254711000000=10",
	}, brief(t, plan))
	plan, err = scanText(t, text, Options{Reference: "R"})
	require.NoError(t, err)
	require.Equal(t, []string{"a /lipad KES : 254711000000=10"}, brief(t, plan))
}

func TestAReferenceHoldsAThousandRows(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("reference,phone_number,amount\n")
	for i := range 1001 {
		fmt.Fprintf(&text, "a,07%08d,10\n", i)
	}
	plan, err := scanText(t, text.String(), Options{})
	require.NoError(t, err)
	require.Empty(t, brief(t, plan))
	require.Len(t, plan.Faults, 1000, "the list is capped")
	require.Equal(t, int64(1001), plan.Refused())
	require.Equal(t, 1002, strings.Count(rejects(t, plan), "\n"), "the rejects are not")
}

func TestJobsInJSONLines(t *testing.T) {
	t.Parallel()
	text := `{"reference":"a","recipients":[` + to("0711000000", `"10"`) + `,` +
		to("0711000001", "20") + `]}
{"reference":"b","campaign":"c","provider":"sozuri","reason":"old","recipients":[` +
		to("0711000002", `"10"`) + `]}
{"reference":"a","recipients":[` + to("0711000003", `"10"`) + `]}
{"reference":"d","recipients":[` + to("0711000000", `"10"`) + `]}
{"reference":"e","colour":1,"recipients":[` + to("0711000004", `"1"`) + `]}
{"reference":"f",
{"phone_number":"0711000005","amount":"10"}
`
	plan, err := scanText(t, text, Options{Reference: "R"})
	require.NoError(t, err)
	require.Equal(t, []string{
		"a /lipad KES : 254711000000=10 254711000001=20", "b sozuri/sozuri KES c: 254711000002=10",
	}, brief(t, plan))
	got := faultTexts(plan)
	require.Len(t, got, 5)
	require.Equal(t, "line 3: reference: an earlier line has the same", got[0])
	require.Equal(t, "line 4: recipients[0].phone_number: same number as on line 1", got[1])
	require.Equal(t, "line 5: colour: unknown field; known: reference, recipients, currency, "+
		"provider, campaign, submitted_by, not_before, priority; recipients[0].amount: below the "+
		"minimum of KES 10", got[2])
	require.Contains(t, got[3], "line 6: not valid JSON")
	require.Contains(t, got[4], "line 7: phone_number: unknown field")

	lines := strings.Split(strings.TrimSpace(rejects(t, plan)), "\n")
	require.Len(t, lines, 5)
	require.Equal(t, `{"reference":"a","recipients":[`+to("0711000003", `"10"`)+
		`],"reason":"reference: an earlier line has the same"}`, lines[0])
	require.Contains(t, lines[3], `{"unreadable":"{\"reference\":\"f\",","reason":"not valid JSON`)
	again, err := scanText(t, lines[0]+"\n"+lines[2]+"\n"+lines[3], Options{Reference: "R2"})
	require.NoError(t, err)
	require.Equal(t, int64(1), again.Good)
}

func TestJSONRowsWithOtherFieldsThanTheFirst(t *testing.T) {
	t.Parallel()
	plan, err := scanText(t, `{"phone_number":"0711000000","amount":"10","campaign":"reference"}
{"phone_number":"0711000001","amount":"10","reference":"a"}
{"phone_number":"0711000002","amount":"10","recipients":[]}
{"phone_number":711000003,"amount":1e1}
`, Options{Reference: "R"})
	require.NoError(t, err)
	require.Equal(t, []string{"R/1 /lipad KES reference: 254711000000=10"}, brief(t, plan))
	got := faultTexts(plan)
	require.Equal(t, "line 2: reference: the first row has none, so no row may have one", got[0])
	require.Contains(t, got[1], "line 3: recipients: unknown field")
	require.Equal(t, "line 4: phone_number: must be a string", got[2])
}

func TestRejectsNoticeAChangedFile(t *testing.T) {
	t.Parallel()
	path := write(t, "f", "phone_number,amount\n0711000000,1\n")
	plan, err := Scan(t.Context(), path, Options{}, testRules())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte("phone_number,amount\n0711000000,2\n"), 0o600))
	require.ErrorIs(t, plan.WriteRejects(t.Context(), io.Discard), errChanged)
}

func TestDisbursalsStopAtTheFirstError(t *testing.T) {
	t.Parallel()
	const text = "reference,phone_number,amount\na,0711000000,10\nb,0711000001,10\n"
	plan, err := scanText(t, text, Options{})
	require.NoError(t, err)
	stop, calls := errors.New("stop"), 0
	err = plan.Disbursals(func(state.Disbursal) error { calls++; return stop })
	require.ErrorIs(t, err, stop)
	require.Equal(t, 1, calls)
}

func TestScanStopsWhenAskedTo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Scan(ctx, write(t, "f", bigFile(3000)), Options{}, testRules())
	require.ErrorIs(t, err, context.Canceled)
}

func TestOpenFile(t *testing.T) {
	t.Parallel()
	file, err := OpenFile(write(t, "f", "x"))
	require.NoError(t, err)
	data, err := io.ReadAll(file)
	require.NoError(t, err)
	require.Equal(t, "x", string(data))
	require.NoError(t, file.Close())
}

// bigFile has n good rows.
func bigFile(n int) string {
	var text strings.Builder
	text.WriteString("phone_number,amount,campaign\n")
	for i := range n {
		fmt.Fprintf(&text, "2547%08d,10.50,november\n", i)
	}
	return text.String()
}

func BenchmarkScanMillion(b *testing.B) {
	path := write(b, "f", bigFile(1_000_000))
	for b.Loop() {
		plan, err := Scan(b.Context(), path, Options{}, testRules())
		require.NoError(b, err)
		require.Equal(b, int64(1_000_000), plan.Good)
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	b.ReportMetric(float64(memory.Sys)/(1<<20), "MiB-from-system")
}

// What spreadsheets write for empty rows and columns is skipped, and lines keep their numbers.
func TestBlankRowsAndColumnsAreSkipped(t *testing.T) {
	t.Parallel()
	plan, err := scanText(t, ",,,\n"+
		"phone_number,amount,,\n"+
		"0711000000,10,,\n"+
		",,,\n"+
		"\"\", ,\t,\n"+
		"0711000001,1,,\n"+
		"0711000002,20\n"+
		"0711000003,30,,,,,\n"+
		"0711000004,40,,x\n"+
		",,\n", Options{Reference: "R"})
	require.NoError(t, err)
	require.Equal(t, int64(5), plan.Rows)
	require.Equal(t, []string{
		"R/1 /lipad KES : 254711000000=10 254711000002=20 254711000003=30",
	}, brief(t, plan))
	require.Equal(t, []string{
		"line 6: amount: below the minimum of KES 10", "line 9: 4 columns, but the header has 2",
	}, faultTexts(plan))
	plan, err = scanText(t, ",phone_number,,amount\n,0711000000,,10\n", Options{Reference: "R"})
	require.NoError(t, err)
	require.Equal(t, []string{"R/1 /lipad KES : 254711000000=10"}, brief(t, plan))
	_, err = scanText(t, ",phone_number,amount\n\n0,0711000000,10\n", Options{})
	require.EqualError(t, err, "line 3: column 1 holds something, and the header has no heading for "+
		"it: give it one, or leave it out with --ignore-extra")
	_, err = scanText(t, ",,\n,\n", Options{})
	require.ErrorContains(t, err, "the file is empty")
}

// A small packed file of faulty rows must not fill the memory, whatever is wrong with its rows.
func TestFaultyRowsAreBounded(t *testing.T) {
	t.Parallel()
	many := func(row string) string { return strings.Repeat(row, 2_000_000) }
	faults := strings.Repeat(`{"phone_number":"1","amount":"x"},`, 999)
	var named strings.Builder
	named.WriteString("reference,phone_number,amount,campaign\n")
	for i := range 50_000 {
		fmt.Fprintf(&named, "r-%d,07%08d,1,c-%d\n", i, i, i)
	}
	for name, text := range map[string]string{
		"names of their own": named.String(),
		"cannot be split":    "phone_number,amount\n" + many("1\n"),
		"no amount":          "phone_number,amount\n" + many("0711000000,x\n"),
		"by a rule":          "phone_number,amount\n" + many("0711000000,1\n"),
		"jobs": strings.Repeat(`{"reference":"r","recipients":[`+faults+
			`{"phone_number":"1","amount":"x"}]}`+"\n", 1000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scanned := newScan(Options{}, testRules())
			_, err := scanned.read(t.Context(), strings.NewReader(text))
			require.ErrorContains(t, err, "too many faulty rows")
			require.Less(t, len(err.Error()), 1000)
			require.LessOrEqual(t, len(scanned.rows), maxRefused+1000)
			kept := 0
			for _, fault := range scanned.faults {
				kept += len(fault.Error())
			}
			require.Less(t, kept, 2*maxListedText, "of what is listed")
		})
	}
}

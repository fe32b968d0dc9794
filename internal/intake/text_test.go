package intake

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
)

// inUTF16 encodes a text, with a byte-order mark if it begins with one.
func inUTF16(order binary.AppendByteOrder, text string) string {
	var out []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		out = order.AppendUint16(out, unit)
	}
	return string(out)
}

// savings are the ways to save one text: encodings, byte-order marks and line ends, by name.
func savings(text string) map[string]string {
	const mark = "\ufeff"
	ways := map[string]string{}
	for name, lines := range map[string]string{
		"LF": text, "CRLF": strings.ReplaceAll(text, "\n", "\r\n"),
		"CR":          strings.ReplaceAll(text, "\n", "\r"),
		"no last end": strings.TrimSuffix(text, "\n"),
	} {
		ways["UTF-8, "+name] = lines
		ways["UTF-8 with mark, "+name] = mark + lines
		ways["UTF-16LE, "+name] = inUTF16(binary.LittleEndian, lines)
		ways["UTF-16LE with mark, "+name] = inUTF16(binary.LittleEndian, mark+lines)
		ways["UTF-16BE, "+name] = inUTF16(binary.BigEndian, lines)
		ways["UTF-16BE with mark, "+name] = inUTF16(binary.BigEndian, mark+lines)
	}
	return ways
}

// One list has one reference and pays the same, whatever program saved it, and in whatever way.
func TestOneListHasOneReferenceHoweverItIsSaved(t *testing.T) {
	t.Parallel()
	const want = "3cbf63ff52bc860a"
	for name, list := range map[string]string{
		"commas":     "phone_number,amount,campaign\n0711000000,1000,café ✓\n0711000001,10.50,\n",
		"semicolons": "phone_number;amount;campaign\n0711000000;1000;café ✓\n0711000001;10,50;\n",
		"tabs": "phone_number\tamount\tcampaign\n0711000000\t1000\tcafé ✓\n" +
			"0711000001\t10.50\t\n",
		"sep": "sep=;\nphone_number;amount;campaign\n0711000000;1000;café ✓\n0711000001;10,50;\n",
		"other words": "Campaign,Mobile No.,\"Airtime\nValue (KSh)\"\ncafé ✓,711000000,\"1,000.00\"\n" +
			",+254 711-000-001,KES 10.5\n",
		"empty rows, spaces": "\n;;\n PHONE NUMBER ;Amount; campaign;;\n;;\n\n" +
			" 254711000000; 1 000,00 ; café ✓;\n;\n0711000001;10,5\u00a0KES;;;\n\n",
		"empty first column": "\tPhone\tAmount\tCampaign\n\t'0711000000\t\"1,000\"\tcafé ✓\n" +
			"\t711000001.0\t10.50\t\n",
		"JSON Lines": `{"phone_number":"0711000000","amount":1000,"campaign":"café ✓"}` + "\n" +
			`{"phone_number":"0711000001","amount":"10.5"}` + "\n",
	} {
		for way, text := range savings(list) {
			if name == "JSON Lines" && strings.HasSuffix(way, " CR") {
				continue // A carriage return is no line end of JSON Lines.
			}
			plan, err := scanText(t, text, Options{})
			require.NoError(t, err, "%s, %s", name, way)
			require.Empty(t, faultTexts(plan), "%s, %s", name, way)
			require.Empty(t, plan.Notices)
			require.Equal(t, want, plan.Reference, "%s, %s", name, way)
		}
	}
}

func TestPackedAndPipedListsAreDecodedToo(t *testing.T) {
	t.Parallel()
	text := inUTF16(binary.LittleEndian, "\ufeffPhone;Amount\r\n0711000000;10,50\r\n")
	var packed bytes.Buffer
	packer := gzip.NewWriter(&packed)
	_, err := packer.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, packer.Close())
	for _, input := range []string{text, packed.String()} {
		options := Options{Reference: "R", Stdin: strings.NewReader(input)}
		plan, err := Scan(t.Context(), "-", options, testRules())
		require.NoError(t, err)
		require.Equal(t, []string{"R/1 /lipad KES : 254711000000=10.50"}, brief(t, plan))
		require.Empty(t, rejects(t, plan))
		require.NoError(t, plan.Close())
	}
}

func TestTextsThatAreNone(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"\xff\xfe\x00\x00p\x00\x00\x00": "the file is in UTF-32",
		"\x00\x00\xfe\xff\x00\x00\x00p": "the file is in UTF-32",
		"phone,amount,n\xe9e\n0711000000,10,\n": "line 1: not valid UTF-8: save the file as CSV in " +
			"UTF-8",
		inUTF16(binary.LittleEndian, "\ufeff"): "the file is empty",
	} {
		_, err := scanText(t, text, Options{})
		require.ErrorContains(t, err, want)
	}
	// A file that was cut within a character has lost its last row: nobody is paid half an amount.
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		whole := inUTF16(order, "\ufeffphone\tamount\n0711000000\t10\n0711000001\t1000\n")
		plan, err := scanText(t, whole[:len(whole)-5], Options{Reference: "R"})
		require.NoError(t, err)
		require.Len(t, plan.Faults, 1)
		require.Contains(t, faultTexts(plan)[0], "line 3: amount: must be a plain decimal")
	}
}

// A quoted cell may have several lines, in columns that are not read.
func TestCellsOfSeveralLines(t *testing.T) {
	t.Parallel()
	const text = "phone,amount,note\n0711000000,10,\"thanks,\n\ngoodbye; \"\"again\"\"\"\n" +
		"0711000001,20,\"one\r\ntwo\"\n0711000002,x,\n"
	plan, err := scanText(t, text, Options{Reference: "R", IgnoreExtra: true})
	require.NoError(t, err)
	require.Equal(t, []string{"R/1 /lipad KES : 254711000000=10 254711000001=20"}, brief(t, plan))
	require.Equal(t, []string{"line 7: amount: must be a plain decimal such as 10 or 10.50"},
		faultTexts(plan))
	require.Equal(t, []string{"columns that are no field are not read: note"}, plan.Notices)
}

// Of a quote that was forgotten, the recipients behind it do not vanish in the text of one cell.
func TestAForgottenQuoteSwallowsNobody(t *testing.T) {
	t.Parallel()
	open := "a quote is not closed before the next row: close it, or double it if it belongs to the " +
		"text"
	for name, row := range map[string]struct {
		text string
		want []string
		rest []string
	}{
		"closed behind another row": {
			"phone;amount;note\n0711000000;10;\"a\n0711000001;20;b\"\n0711000002;30;c\n",
			[]string{
				"line 2: " + open,
				"line 3: a quote inside a field: put the field in quotes and double it",
			},
			[]string{"R/1 /lipad KES : 254711000002=30"},
		},
		"never closed": {
			"phone,amount,note\n0711000000,10,\"a\nb\n0711000001,20,\n",
			[]string{"line 2: " + open, "line 3: 1 columns, but the header has 3"},
			[]string{"R/1 /lipad KES : 254711000001=20"},
		},
		"too many lines": {
			"phone,amount,note\n0711000000,10,\"a\n" + strings.Repeat("\n", maxCellLines) +
				"\"\n0711000001,20,\n",
			[]string{"line 2: " + open, "line 53: " + open},
			[]string{"R/1 /lipad KES : 254711000001=20"},
		},
	} {
		plan, err := scanText(t, row.text, Options{Reference: "R", IgnoreExtra: true})
		require.NoError(t, err, name)
		require.Equal(t, row.want, faultTexts(plan), name)
		require.Equal(t, row.rest, brief(t, plan), name)
		refused := rejects(t, plan)
		require.Contains(t, refused, "\"", "the row is there as it came")
		require.Equal(t, int64(len(row.want)), plan.Refused())
	}
}

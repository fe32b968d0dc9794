package intake

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPhonesAsSpreadsheetsWriteThem(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"711000000", "0711000000", "254711000000", "'0711000000", "'+254711000000", "711000000.0",
		"254711000000.00", "254711000000,0", "+254 711\u00a0000\u202f000", "\u202a+254 711 000 000\u202c",
		"0711-000-000", "(0711) 000 000",
	} {
		plan, err := scanText(t, "phone;amount\n"+text+";10\n", Options{Reference: "R"})
		require.NoError(t, err)
		require.Empty(t, faultTexts(plan), text)
		require.Equal(t, []string{"R/1 /lipad KES : 254711000000=10"}, brief(t, plan), text)
	}
	spoilt := " has lost its digits in a spreadsheet: format the column as text, or as a number " +
		"without decimals, take the numbers from where they came, and save it again"
	for text, want := range map[string]string{
		"2.54711E+11":       `phone_number: "2.54711E+11"` + spoilt,
		"2,54711e+11":       `phone_number: "2,54711e+11"` + spoilt,
		"2.54711000000E+11": `phone_number: "2.54711…"` + spoilt,
		"7E+08":             `phone_number: "7E+08"` + spoilt,
		"=A2":               "phone_number: is a formula, whose value another program may see",
		`"=""0711000000"""`: "phone_number: is a formula, whose value another program may see",
		"711000000.5":       "phone_number: may hold only digits",
		"#N/A":              `phone_number: is an error of the spreadsheet: "#N/A"`,
		"nan":               "phone_number: may hold only digits",
		"":                  "phone_number: missing",
	} {
		plan, err := scanText(t, "phone;amount\n"+text+";10\n", Options{Reference: "R"})
		require.NoError(t, err)
		require.Len(t, plan.Faults, 1)
		require.Len(t, plan.Faults[0].Faults, 1, "it is said once")
		require.Contains(t, faultTexts(plan)[0], "line 2: "+want)
		requireNoNumber(t, plan.Faults[0].Faults)
	}
}

// delimiterNames are the delimiters whose files differ in what a comma may mean.
var delimiterNames = map[byte]string{',': "commas", ';': "semicolons", '\t': "tabs"}

// amountsIn scans a file with these amounts, and returns what is paid and the faults.
func amountsIn(t *testing.T, delimiter byte, amounts []string,
) (paid []string, plan *Plan, err error) {
	t.Helper()
	text := "phone" + string(delimiter) + "amount\n"
	for i, amount := range amounts {
		text += fmt.Sprintf("07110000%02d%c\"%s\"\n", i, delimiter, amount)
	}
	plan, err = scanText(t, text, Options{Reference: "R"})
	if err != nil {
		return nil, nil, err
	}
	for _, line := range brief(t, plan) {
		for _, pair := range strings.Fields(line)[3:] {
			if _, amount, found := strings.Cut(pair, "="); found {
				paid = append(paid, amount)
			}
		}
	}
	return paid, plan, nil
}

func TestAmountsAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"10": "10", "10.5": "10.50", "010": "10", "1 000.00": "1000", "1 000": "1000",
		"1\u00a0000": "1000", "1\u202f000.5": "1000.50", "KES 100": "100", "kes 100": "100",
		"KES100": "100", "100 KES": "100", "100KES": "100", "KSh 100": "100", "Ksh. 100.50": "100.50",
		"KES 1 000.00": "1000", "1,000.00": "1000", "KES 1,000.50": "1000.50",
	} {
		for delimiter, name := range delimiterNames {
			paid, plan, err := amountsIn(t, delimiter, []string{text})
			require.NoError(t, err, "%s, %s", text, name)
			require.Empty(t, faultTexts(plan), "%s, %s", text, name)
			require.Equal(t, []string{want}, paid, "%s, %s", text, name)
		}
	}
	for text, want := range map[string]string{
		"1e3": "must be a plain decimal such as 10 or 10.50", "1E+3": "lost digits",
		"=B2*2": "is a formula", "=10": "is a formula", "#REF!": "is an error of the spreadsheet",
		"USD 100": "is in USD, but the row's currency is KES", "UGX100": "is in UGX",
		"KES 100 KES": "plain decimal", "XYZ 100": "plain decimal", "100 bob": "plain decimal",
		"KES": "plain decimal", "-10": "plain decimal", "+10": "plain decimal", "10.": "plain decimal",
		".5": "plain decimal", "1 00": "plain decimal", "1 0000": "plain decimal",
		"12 000 00": "plain decimal", "10.555": "more decimals", "1'000": "plain decimal",
		"1.000": "more decimals", "1,00,000": "plain decimal", "10%": "plain decimal",
		"4/12/2026": "plain decimal", "ten": "plain decimal", "1.000.000": "plain decimal",
	} {
		for delimiter, name := range delimiterNames {
			_, plan, err := amountsIn(t, delimiter, []string{"20", text})
			require.NoError(t, err, "%s, %s", text, name)
			require.Len(t, plan.Faults, 1, "%s, %s", text, name)
			require.Len(t, plan.Faults[0].Faults, 1, "it is said once")
			require.Contains(t, faultTexts(plan)[0], "line 3: amount: ", "%s, %s", text, name)
			require.Contains(t, faultTexts(plan)[0], want, "%s, %s", text, name)
		}
	}
}

// Between commas a comma stands for thousands. Otherwise it is the file as a whole that tells.
func TestWhatACommaStandsFor(t *testing.T) {
	t.Parallel()
	const both = "in this file a comma may stand for thousands and for decimals; write all amounts " +
		"without separators of thousands"
	for _, row := range []struct {
		amounts []string
		want    []string // Nil when the file is refused.
		fault   string
	}{
		{amounts: []string{"11,50", "10"}, want: []string{"11.50", "10"}},
		{amounts: []string{"11,5", "1000,50", "0,500"}, fault: "line 4: amount: has more decimals"},
		{amounts: []string{"20,50", "10.50"}, want: []string{"20.50", "10.50"}},
		{amounts: []string{"1.000,50", "1 000,5"}, want: []string{"1000.50", "1000.50"}},
		{amounts: []string{"KES 12,50"}, want: []string{"12.50"}},
		{amounts: []string{"1,000", "1,000.00"}, want: []string{"1000", "1000"}},
		{amounts: []string{"1,000,000", "2,000"}, fault: "line 2: amount: above the maximum"},
		{amounts: []string{"1,000", "10.50"}, want: []string{"1000", "10.50"}},
		{
			amounts: []string{"10", "1,000"},
			fault:   "line 3: amount: three digits after its comma: " + both,
		},
		{
			amounts: []string{"20,50", "1,000"},
			fault:   "line 3: amount: three digits after its comma: " + both,
		},
		{
			amounts: []string{"1,000", "20,50"},
			fault:   "line 2: amount: three digits after its comma: " + both,
		},
		{
			amounts: []string{"1,000", "20,50", "10.50"},
			fault:   "line 2: amount: three digits after its comma: " + both,
		},
		{
			amounts: []string{"10", "1,000.50", "20,50"},
			fault: "line 4: amount: its comma stands for decimals, that on line 3 for thousands: " +
				both,
		},
	} {
		for _, delimiter := range []byte{';', '\t'} {
			paid, plan, err := amountsIn(t, delimiter, row.amounts)
			switch {
			case strings.Contains(row.fault, both):
				require.EqualError(t, err, row.fault, "%q", row.amounts)
			case row.fault != "":
				require.NoError(t, err)
				require.Contains(t, faultTexts(plan)[0], row.fault, "%q", row.amounts)
			default:
				require.NoError(t, err, "%q", row.amounts)
				require.Empty(t, faultTexts(plan))
				require.Equal(t, row.want, paid, "%q", row.amounts)
			}
		}
	}
	paid, plan, err := amountsIn(t, ',', []string{"1,000", "1,50", "20.50", "1.000,50", "10,000.00"})
	require.NoError(t, err)
	require.Equal(t, []string{"1000", "20.50", "10000"}, paid)
	require.Equal(t, []string{
		`line 3: amount: "1,50": a comma stands for thousands here: write decimals with a point`,
		`line 5: amount: "1.000,50": a comma stands for thousands here: write decimals with a point`,
	}, faultTexts(plan))
}

// Rejected rows are corrected and imported by themselves: what tells what a comma stands for may be
// among the rows that went.
func TestRejectsKeepTheirDelimiterAndMeaning(t *testing.T) {
	t.Parallel()
	plan, err := scanText(t, "Phone;Amount;Name\n0711000000;10.50;a;\n071;KES 1,000;\"b;\"\"c\"\n"+
		"0711000002;x;d\n0711000003\n", Options{Reference: "R", IgnoreExtra: true})
	require.NoError(t, err)
	refused := rejects(t, plan)
	require.Equal(t, "Phone;Amount;Name;reason\n"+
		"071;KES 1000;\"b;\"\"c\";phone_number: ••• is not a mobile number (07… or 01…, ten digits)\n"+
		"0711000002;x;d;amount: must be a plain decimal such as 10 or 10.50\n"+
		"0711000003;;;1 columns, but the header has 3\n", refused)
	corrected := strings.NewReplacer("\n071;", "\n0711000001;", ";x;", ";20,50;").Replace(refused)
	again, err := scanText(t, corrected, Options{Reference: "R2", IgnoreExtra: true})
	require.NoError(t, err)
	require.Equal(t, []string{"R2/1 /lipad KES : 254711000001=1000 254711000002=20.50"},
		brief(t, again))
}

// A row whose field is spoilt still counts its number as seen, and belongs to no disbursal.
func TestSpoiltRowsAreBooked(t *testing.T) {
	t.Parallel()
	plan, err := scanText(t, "phone,amount,reference,campaign\n0711000000,=1,a,\n0711000000,10,b,\n"+
		"0711000001,10,#N/A,\n0711000002,10,c,#REF!\n0711000003,10,d,e\n", Options{})
	require.NoError(t, err)
	require.Equal(t, []string{"d /lipad KES e: 254711000003=10"}, brief(t, plan))
	require.Equal(t, []string{
		"line 2: amount: is a formula, whose value another program may see otherwise: copy the " +
			"column and paste its values only",
		"line 3: phone_number: same number as on line 2",
		`line 4: reference: is an error of the spreadsheet: "#N/A"`,
		`line 5: campaign: is an error of the spreadsheet: "#REF!"`,
	}, faultTexts(plan))
}

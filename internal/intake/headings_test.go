package intake

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHeadingsOfFields(t *testing.T) {
	t.Parallel()
	for field, headings := range map[int][]string{
		rowPhone: {
			"phone_number", "Phone Number", "PHONE NUMBER", "phoneNumber", "phone-number", "Phone",
			"Phone No.", "Mobile", "mobile_number", "MSISDN", "Tel", "Tel.", "Tel No", "Telephone",
			"Cell", "Cellphone", "Contact number", "Simu",
		},
		rowAmount: {
			"amount", "Amount", "AMOUNT", "Value", "Airtime", "airtime_amount", "Amt", "Top-up",
			"Amount (KES)", "amount_kes", "Amount in KES", "Value KSh", "Airtime UGX", "Kiasi",
		},
		rowReference: {"Reference"}, rowCurrency: {"Currency", "currency_code"},
		rowProvider: {"PROVIDER"}, rowCampaign: {"Campaign", "campaign name"}, rowID: {"ID", "Id"},
		-1: {
			"", "Name", "Network", "Operator", "Ref", "Number", "Contact", "Total", "Currency (KES)",
			"Amount (ZZZ)", "kes", "Notes",
		},
	} {
		for _, heading := range headings {
			found, _ := fieldOf(heading)
			require.Equal(t, field, found, heading)
		}
	}
}

func TestTheHeadingOfAnAmountNamesItsCurrency(t *testing.T) {
	t.Parallel()
	plan, err := scanText(t, "Phone,Amount (KSh),Currency\n0711000000,10,\n0711000001,20,KES\n"+
		"+256772123456,500,UGX\n", Options{Reference: "R"})
	require.NoError(t, err)
	require.Equal(t, []string{"line 4: amount: is in KES, but the row's currency is UGX: give it in " +
		"the column currency"}, faultTexts(plan))
	require.Equal(t, []string{"R/1 /lipad KES : 254711000000=10 254711000001=20"}, brief(t, plan))
}

func TestColumnsThatAreNoField(t *testing.T) {
	t.Parallel()
	const text = "Full name;Mobile;Network;Amout;\nWanjiku;0711000000;Safaricom;10;\n"
	_, err := scanText(t, text, Options{})
	require.EqualError(t, err, `line 1: unknown columns "Full name" (the nearest field is `+
		`phone_number), Network (the nearest field is phone_number), Amout (the nearest field is `+
		`amount); `+
		`known: phone_number, amount, reference, currency, provider, campaign, id; the header needs `+
		`phone_number and amount; say what a column is with --map FIELD=COLUMN, or leave out what is `+
		`no field with --ignore-extra`)
	_, err = scanText(t, text, Options{IgnoreExtra: true})
	require.ErrorContains(t, err, "line 1: the header has no column amount; it needs phone_number "+
		"and amount (--map amount=COLUMN says")
	for _, mapping := range []Mapping{
		{"amount": "Amout"}, {"amount": "AMOUT"}, {"amount": "a mout", "phone_number": "Mobile"},
	} {
		plan, err := scanText(t, text, Options{Reference: "R", Map: mapping})
		require.NoError(t, err)
		require.Equal(t, []string{"R/1 /lipad KES : 254711000000=10"}, brief(t, plan))
		require.Equal(t, []string{`columns that are no field are not read: "Full name", Network`},
			plan.Notices)
	}
	many := "phone,amount," + strings.Repeat("x,", 30) + "\n"
	_, err = scanText(t, many, Options{})
	require.ErrorContains(t, err, ", and 10 more; known:")
}

// Another mapping pays another content, and so has another name.
func TestTheMappingIsAPartOfTheContent(t *testing.T) {
	t.Parallel()
	const text = "Phone,Old,New\n0711000000,10,20\n"
	references := map[string]bool{}
	for _, column := range []string{"Old", "New"} {
		plan, err := scanText(t, text, Options{Map: Mapping{"amount": column}})
		require.NoError(t, err)
		references[plan.Reference] = true
	}
	require.Len(t, references, 2)
	plan, err := scanText(t, "Phone,Amount\n0711000000,20\n", Options{})
	require.NoError(t, err)
	require.Contains(t, references, plan.Reference, "the same is paid by another heading")
}

// A long header is read as one heading when the delimiter is not yet known.
func TestAHeadingMayBeLong(t *testing.T) {
	t.Parallel()
	field, _ := fieldOf(strings.Repeat("amountinkes", 1000) + "kes")
	require.Equal(t, -1, field)
}

func TestTwoColumnsOfOneField(t *testing.T) {
	t.Parallel()
	const text = "Phone,Mobile,Amount\n0711000000,0722000000,10\n"
	_, err := scanText(t, text, Options{IgnoreExtra: true})
	require.ErrorContains(t, err, "line 1: the columns Phone and Mobile are both phone_number: keep "+
		"one of them in the header, or say which it is with --map phone_number=COLUMN")
	plan, err := scanText(t, text, Options{Reference: "R", Map: Mapping{"phone_number": "Mobile"}})
	require.NoError(t, err)
	require.Equal(t, []string{"R/1 /lipad KES : 254722000000=10"}, brief(t, plan))
	require.Equal(t, []string{"columns that are no field are not read: Phone"}, plan.Notices)
}

func TestParseMapping(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Mapping{
		"phone_number=Cell":                {"phone_number": "Cell"},
		"phone_number=Cell, amount=Bonus ": {"phone_number": "Cell", "amount": "Bonus"},
		`Phone Number="Cell, private",amount="12"" x"`: {
			"phone_number": "Cell, private", "amount": `12" x`,
		},
		"id=a=b": {"id": "a=b"},
	} {
		got, err := ParseMapping(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for text, want := range map[string]string{
		"":                       "map: names no column",
		"phone_number":           `map: "phone_number" is no pair FIELD=COLUMN`,
		"phone_number=":          "map: phone_number: names no column",
		"amounts=x":              `map: "amounts" is no field; the nearest is amount; fields: phone_n`,
		"status=x":               `map: "status" is no field`,
		"amount=a,amount=b":      "map: amount is there twice",
		`amount="a`:              "map: amount: a quote is not closed",
		`amount="a"b`:            "map: amount: something follows a closing quote",
		"phone_number=a,=b":      `map: "" is no field`,
		"phone_number=a,amount,": `map: "amount," is no pair`,
	} {
		_, err := ParseMapping(text)
		var option *OptionError
		require.ErrorAs(t, err, &option, text)
		require.ErrorContains(t, err, want, text)
	}
}

func TestOptionsThatDoNotFitTheFile(t *testing.T) {
	t.Parallel()
	const csv, json = "Phone,phone,Amount\n", `{"phone_number":"0711000000","amount":10}`
	for name, row := range map[string]struct {
		text    string
		options Options
		want    string
	}{
		"no such column": {
			csv,
			Options{Map: Mapping{"amount": "Amuont"}},
			`map: amount: the file has no column "Amuont"; the nearest is "Amount"`,
		},
		"either":  {csv, Options{Map: Mapping{"phone_number": "PHONE"}}, "could be any of 2 columns"},
		"one for": {csv, Options{Map: Mapping{"id": "Amount", "amount": "Amount"}}, "are both"},
		"one for two words": {
			csv, Options{Map: Mapping{"id": "Amount", "amount": "amount"}}, "amount and id are both",
		},
		"no field":     {csv, Options{Map: Mapping{"status": "Amount"}}, `"status" is no field`},
		"JSON":         {json, Options{Map: Mapping{"amount": "Amount"}}, "map: JSON Lines have no col"},
		"JSON, ignore": {json, Options{IgnoreExtra: true}, "ignore-extra: JSON Lines have no columns"},
		"no sheets":    {csv, Options{Sheet: "May"}, "sheet: the file is no XLSX"},
		"JSON, sheets": {json, Options{Sheet: "May"}, "sheet: the file is no XLSX"},
	} {
		_, err := scanText(t, row.text, row.options)
		var option *OptionError
		require.ErrorAs(t, err, &option, name)
		require.ErrorContains(t, err, row.want, name)
	}
}

func TestFilesWithoutAHeader(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"0711000000,10\n0711000001,20\n", "Wanjiku;+254 711 000 000;10.50\n",
		"711000000\t1,000\n", "10,0711000000,rewards\n",
	} {
		for _, options := range []Options{
			{}, {IgnoreExtra: true}, {Map: Mapping{"phone_number": "A"}},
		} {
			_, err := scanText(t, text, options)
			require.EqualError(t, err, "line 1: there is no header: the first row must name the "+
				"columns, at least phone_number and amount (--map says which they are under other "+
				"headings)")
		}
	}
	plan, err := scanText(t, "2025,2026\n0711000000,10\n",
		Options{Reference: "R", Map: Mapping{"phone_number": "2025", "amount": "2026"}})
	require.NoError(t, err)
	require.Equal(t, []string{"R/1 /lipad KES : 254711000000=10"}, brief(t, plan))
}

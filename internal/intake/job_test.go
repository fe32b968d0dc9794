package intake

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

func kes(phone string, minor int64) airtime.Recipient {
	return airtime.Recipient{
		Phone:  airtime.MSISDNFromE164(phone),
		Amount: airtime.Money{Minor: minor, Currency: "KES"},
	}
}

func TestDecodeJob(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		text string
		want state.Disbursal
	}{
		"the example of the interface": {
			`{"reference": "rewards-2026-11-21-000917",
			 "recipients": [{"phone_number": "254711000000", "amount": "10"}],
			 "currency": "KES", "provider": "lipad", "campaign": "rewards-november"}`,
			state.Disbursal{
				Reference: "rewards-2026-11-21-000917", Given: "lipad", Provider: "lipad",
				Currency: "KES", Campaign: "rewards-november",
				Recipients: []airtime.Recipient{kes("254711000000", 1000)},
			},
		},
		"defaults, numbers, number shapes": {
			`{"reference":"r","recipients":[{"phone_number":"0711000000","amount":10},
			 {"amount":10.5,"phone_number":"+254711000001"},
			 {"phone_number":"0110000002","amount":"12.50"}]}`,
			state.Disbursal{
				Reference: "r", Provider: "lipad", Currency: "KES",
				Recipients: []airtime.Recipient{
					kes("254711000000", 1000), kes("254711000001", 1050), kes("254110000002", 1250),
				},
			},
		},
		"a byte-order mark": {
			"\ufeff" + `{"reference":"r","recipients":[{"phone_number":"0711000000","amount":10}]}`,
			state.Disbursal{
				Reference: "r", Provider: "lipad", Currency: "KES",
				Recipients: []airtime.Recipient{kes("254711000000", 1000)},
			},
		},
		"another currency": {
			`{"reference":"r","currency":"UGX",
			 "recipients":[{"phone_number":"+256772123456","amount":"500"}]}`,
			state.Disbursal{
				Reference: "r", Provider: "lipad", Currency: "UGX",
				Recipients: []airtime.Recipient{{
					Phone:  airtime.MSISDNFromE164("256772123456"),
					Amount: airtime.Money{Minor: 500, Currency: "UGX"},
				}},
			},
		},
	} {
		got, err := DecodeJob([]byte(row.text), testRules())
		require.NoError(t, err, name)
		require.Empty(t, cmp.Diff(row.want, got), name)
	}
}

// good is a recipient without fault; job wraps recipients and further fields into a job.
const good = `{"phone_number":"0711222333","amount":"10"}`

func job(recipients, more string) string {
	return `{"reference":"r","recipients":[` + recipients + `]` + more + `}`
}

func to(phone, amount string) string {
	return fmt.Sprintf(`{"phone_number":%q,"amount":%s}`, phone, amount)
}

var jobFaults = []struct {
	name, text string
	want       Faults
}{
	{"nothing", ``, Faults{"not valid JSON: it ends early, at byte 0"}},
	{"not an object", `[]`, Faults{"must be a JSON object"}},
	{"null", `null`, Faults{"must be a JSON object"}},
	{"cut", `{"reference":"r"`, Faults{"not valid JSON: it ends early, at byte 16"}},
	{"two jobs", job(good, "") + job(good, ""), Faults{"something follows the JSON object"}},
	{"trailing word", job(good, "") + "x", Faults{"something follows the JSON object"}},
	{"not UTF-8", "{\"reference\":\"\xff\"}", Faults{"not valid UTF-8"}},
	{"no reference", `{"recipients":[` + good + `]}`, Faults{"reference: missing"}},
	{"empty reference", `{"reference":"","recipients":[` + good + `]}`, Faults{"reference: missing"}},
	{
		"reference a number", `{"reference":7,"recipients":[` + good + `]}`,
		Faults{"reference: must be a string"},
	},
	{
		"reference with a space", `{"reference":"a b","recipients":[` + good + `]}`,
		Faults{"reference: may hold only printable ASCII characters without spaces"},
	},
	{
		"reference not ASCII", `{"reference":"é","recipients":[` + good + `]}`,
		Faults{"reference: may hold only printable ASCII characters without spaces"},
	},
	{
		"long reference", `{"reference":"` + strings.Repeat("a", 129) + `","recipients":[` + good + `]}`,
		Faults{"reference: longer than 128 characters"},
	},
	{"no recipients", `{"reference":"r"}`, Faults{"recipients: missing: a job holds at least one"}},
	{"empty recipients", job("", ""), Faults{"recipients: missing: a job holds at least one"}},
	{
		"recipients an object", `{"reference":"r","recipients":{"a":[1]}}`,
		Faults{"recipients: must be a list"},
	},
	{
		"recipient a string", job(`"0711222333"`, ""),
		Faults{"recipients[0]: must be an object with phone_number and amount"},
	},
	{
		"empty recipient", job(`{}`, ""),
		Faults{"recipients[0].phone_number: missing", "recipients[0].amount: missing"},
	},
	{
		"phone a number", job(`{"phone_number":254711222333,"amount":"10"}`, ""),
		Faults{"recipients[0].phone_number: must be a string"},
	},
	{"landline", job(to("0202345678", `"10"`), ""), Faults{
		"recipients[0].phone_number: 0202•••678 is not a mobile number (07… or 01…, ten digits)",
	}},
	{"another country", job(to("+255713123456", `"10"`), ""), Faults{
		"recipients[0].phone_number: 255713•••456 is not a number of a country that uses KES",
	}},
	{
		"exponent", job(to("0711222333", `1e3`), ""),
		Faults{"recipients[0].amount: must be a plain decimal such as 10 or 10.50"},
	},
	{
		"negative", job(to("0711222333", `-10`), ""),
		Faults{"recipients[0].amount: must be a plain decimal such as 10 or 10.50"},
	},
	{
		"zero", job(to("0711222333", `0`), ""),
		Faults{"recipients[0].amount: must be greater than zero"},
	},
	{
		"decimals", job(to("0711222333", `10.505`), ""),
		Faults{"recipients[0].amount: has more decimals than KES has (2)"},
	},
	{
		"amount true", job(to("0711222333", `true`), ""),
		Faults{`recipients[0].amount: must be a decimal string such as "10.50"`},
	},
	{
		"amount null", job(to("0711222333", `null`), ""),
		Faults{`recipients[0].amount: must be a decimal string such as "10.50"`},
	},
	{
		"below", job(good+","+to("0711222334", `"9.99"`), ""),
		Faults{"recipients[1].amount: below the minimum of KES 10"},
	},
	{
		"above", job(to("0711222333", `"10000.01"`), ""),
		Faults{"recipients[0].amount: above the maximum of KES 10000"},
	},
	{
		"above at another provider", job(to("0711222333", `"5000.01"`), `,"provider":"sozuri"`),
		Faults{"recipients[0].amount: above the maximum of KES 5000"},
	},
	{
		"repeat", job(good+","+to("0711222334", `"10"`)+","+to("+254711222333", `"20"`), ""),
		Faults{"recipients[2].phone_number: same number as recipients[0]"},
	},
	{
		"unknown provider", job(good, `,"provider":"mpesa"`),
		Faults{`provider: "mpesa" is not configured here; known: lipad, sozuri`},
	},
	{
		"unknown currency", job(good, `,"currency":"KSH"`),
		Faults{`currency: "KSH" is not a known currency`},
	},
	{
		"currency not taken", job(to("+256772123456", `"500"`), `,"currency":"UGX","provider":"sozuri"`),
		Faults{"currency: sozuri does not take UGX"},
	},
	{"currency of no country", job(good, `,"currency":"USD"`), Faults{
		"currency: lipad does not take USD",
		"recipients[0].phone_number: 254711•••333 is not a number of a country that uses USD",
	}},
	{
		"campaign with a control character", job(good, `,"campaign":"a\nb"`),
		Faults{"campaign: may hold only printable characters"},
	},
	{
		"campaign with half a character", job(good, `,"campaign":"\ud800"`),
		Faults{"campaign: may hold only printable characters"},
	},
	{
		"long campaign", job(good, `,"campaign":"`+strings.Repeat("é", 129)+`"`),
		Faults{"campaign: longer than 128 characters"},
	},
	{"no time", job(good, `,"not_before":"tomorrow"`), Faults{
		`not_before: "tomorrow" is no time with a zone, such as 2026-12-04T09:00:00+03:00`,
	}},
	{"time without a zone", job(good, `,"not_before":"2026-12-04T09:00:00"`), Faults{
		`not_before: "2026-12-…" is no time with a zone, such as 2026-12-04T09:00:00+03:00`,
	}},
	{"empty time", job(good, `,"not_before":""`), Faults{
		"not_before: empty: leave it out to send at once",
	}},
	{"no priority", job(good, `,"priority":"urgent"`), Faults{
		`priority: "urgent" is neither high nor normal`,
	}},
	{"priority null", job(good, `,"priority":null`), Faults{"priority: must be a string"}},
	{"submitter null", job(good, `,"submitted_by":null`), Faults{
		"submitted_by: must be a string",
	}},
	{"long submitter", job(good, `,"submitted_by":"`+strings.Repeat("x", 65)+`"`), Faults{
		"submitted_by: longer than 64 characters",
	}},
	{"submitter with a tab", job(good, `,"submitted_by":"a\tb"`), Faults{
		"submitted_by: may hold only printable ASCII characters",
	}},
	{"campaign null", job(good, `,"campaign":null`), Faults{"campaign: must be a string"}},
	{"unknown field", job(good, `,"colour":{"a":[1,{}]}`), Faults{
		"colour: unknown field; known: reference, recipients, currency, provider, campaign, " +
			"submitted_by, not_before, priority",
	}},
	{"field in other case", job(good, `,"Campaign":"c"`), Faults{
		"Campaign: unknown field; known: reference, recipients, currency, provider, campaign, " +
			"submitted_by, not_before, priority",
	}},
	{
		"unknown recipient field", job(`{"phone_number":"0711222333","amount":"10","name":"x"}`, ""),
		Faults{"recipients[0].name: unknown field; known: phone_number, amount, id"},
	},
	{"id twice", job(`{"phone_number":"0711222333","amount":"10","id":"x"},`+
		`{"phone_number":"0711222334","amount":"10","id":"x"}`, ""), Faults{
		"recipients[1].id: same id as recipients[0]",
	}},
	{"id with a space", job(`{"phone_number":"0711222333","amount":"10","id":"a b"}`, ""), Faults{
		"recipients[0].id: may hold only printable ASCII characters without spaces",
	}},
	{"empty id", job(`{"phone_number":"0711222333","amount":"10","id":""}`, ""), Faults{
		"recipients[0].id: empty: leave it out, or give 1 to 64 characters",
	}},
	{
		"long id",
		job(`{"phone_number":"0711222333","amount":"10","id":"`+strings.Repeat("i", 65)+`"}`, ""),
		Faults{"recipients[0].id: longer than 64 characters"},
	},
	{"id of another type", job(`{"phone_number":"0711222333","amount":"10","id":7}`, ""), Faults{
		"recipients[0].id: must be a string",
	}},
	{"number as a field", job(`{"254711222333":"10"}`, ""), Faults{
		`recipients[0]."254711…": unknown field; known: phone_number, amount, id`,
		"recipients[0].phone_number: missing", "recipients[0].amount: missing",
	}},
	{"field twice", job(good, `,"reference":"s"`), Faults{"reference: given twice"}},
	{
		"amount twice", job(`{"phone_number":"0711222333","amount":"10","amount":"20"}`, ""),
		Faults{"recipients[0].amount: given twice"},
	},
	{"all at once", `{"reference":"","campaign":"\u0000","provider":"x",` +
		`"recipients":[{"amount":"0"},` + to("12", `"x"`) + `]}`, Faults{
		"reference: missing", "campaign: may hold only printable characters",
		`provider: "x" is not configured here; known: lipad, sozuri`,
		"recipients[0].phone_number: missing", "recipients[0].amount: must be greater than zero",
		"recipients[1].phone_number: ••• is not a valid number with country code",
		"recipients[1].amount: must be a plain decimal such as 10 or 10.50",
	}},
}

func TestDecodeJobFaults(t *testing.T) {
	t.Parallel()
	for _, row := range jobFaults {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			got, err := decode(row.text, testRules())
			var faults Faults
			require.ErrorAs(t, err, &faults)
			require.Equal(t, row.want, faults)
			require.Zero(t, got)
			require.NotContains(t, err.Error(), "711222333")
		})
	}
}

// many is n recipients with different numbers.
func many(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = to(fmt.Sprintf("07%08d", i), `"10"`)
	}
	return strings.Join(all, ",")
}

func TestAJobHoldsAThousandRecipients(t *testing.T) {
	t.Parallel()
	got, err := DecodeJob([]byte(job(many(1000), "")), testRules())
	require.NoError(t, err)
	require.Len(t, got.Recipients, 1000)
	_, err = DecodeJob([]byte(job(many(1001), "")), testRules())
	require.EqualError(t, err, "recipients: 1001 of them; a job holds at most 1000")
}

func TestEveryFaultOfALargeJobIsListed(t *testing.T) {
	t.Parallel()
	const one = `{"phone_number":"1","amount":"0"}`
	bad := strings.Repeat(one+",", 999) + one
	_, err := DecodeJob([]byte(job(bad, "")), testRules())
	var faults Faults
	require.ErrorAs(t, err, &faults)
	require.Len(t, faults, 2000)
}

func TestHostileJobsHaveABoundedFaultList(t *testing.T) {
	t.Parallel()
	_, err := DecodeJob([]byte(job(good, strings.Repeat(`,"x":1`, 20000))), testRules())
	var faults Faults
	require.ErrorAs(t, err, &faults)
	require.Len(t, faults, maxFaults+1)
	_, err = DecodeJob([]byte(strings.Repeat(`{"a":`, 100_000)), testRules())
	require.Error(t, err)
}

func TestNoDefaultProvider(t *testing.T) {
	t.Parallel()
	rules := testRules()
	rules.DefaultProvider = ""
	_, err := decode(job(good, ""), rules)
	require.EqualError(t, err, "provider: missing, and no default provider is configured")
}

func TestDecodeJobOf(t *testing.T) {
	t.Parallel()
	got, err := DecodeJobOf([]byte(`{"recipients":[`+good+`]}`), "key-1", testRules())
	require.NoError(t, err)
	require.Equal(t, "key-1", got.Reference)
	got, err = DecodeJobOf([]byte(job(good, "")), "key-1", testRules())
	require.NoError(t, err)
	require.Equal(t, "r", got.Reference)
	_, err = DecodeJobOf([]byte(`{"reference":1,"recipients":[`+good+`]}`), "key-1", testRules())
	require.EqualError(t, err, "reference: must be a string")
}

// Who submits a job is its own word, but where the inlet knows better.
func TestASubmitterIsSaidOnlyWhereTheInletDoesNotKnow(t *testing.T) {
	t.Parallel()
	said := []byte(job(good, `,"submitted_by":"Wanjiku of finance"`))
	got, err := DecodeJob(said, testRules())
	require.NoError(t, err)
	require.Equal(t, "Wanjiku of finance", got.SubmittedBy)
	list, err := DecodeJobs([]byte(`{"jobs":[`+string(said)+`]}`), testRules())
	require.NoError(t, err)
	require.Equal(t, "Wanjiku of finance", list[0].SubmittedBy)
	for _, by := range []string{"shop", ""} {
		_, err = DecodeJobOf([]byte(job(good, `,"submitted_by":"`+by+`"`)), "", testRules())
		require.EqualError(t, err, "submitted_by: the producer's name stands for it: leave it out")
	}
	plan, err := scanText(t, string(said), Options{SubmittedBy: "otieno"})
	require.NoError(t, err)
	require.NoError(t, plan.Disbursals(func(d state.Disbursal) error {
		require.Equal(t, "otieno", d.SubmittedBy)
		return nil
	}))
}

func TestDecodeJobs(t *testing.T) {
	t.Parallel()
	got, err := DecodeJobs([]byte(job(good, "")), testRules())
	require.NoError(t, err)
	require.Len(t, got, 1)
	got, err = DecodeJobs([]byte(`{"jobs":[`+job(good, "")+","+job(good, "")+`]}`), testRules())
	require.NoError(t, err)
	require.Len(t, got, 2)

	for text, want := range map[string]string{
		`{"jobs":[]}`:    "jobs: must be a list of at least one job",
		`{"jobs":{}}`:    "jobs: must be a list",
		`{"jobs":[1]}`:   "jobs[0]: must be an object",
		`{"jobs":[`:      "not valid JSON: it ends early, at byte 9",
		`{"jobs":[]}{}`:  "something follows the JSON object",
		`{"unknown": 1}`: "unknown: unknown field",
		`{"jobs":[` + job(good, "") + `,{"recipients":[` + good + `]}]}`: "jobs[1].reference: missing",
		`{"jobs":[` + job(to("0711222333", "1"), "") + `]}`:              "jobs[0].recipients[0].amount",
		`{"jobs":[` + job(good, "") + `],"reference":"r"}`:               "jobs: cannot stand beside",
		`{"jobs":[` + job(good, `,"jobs":[]`) + `]}`:                     "jobs[0].jobs: unknown field",
		`{"jobs":[` + job(many(600), "") + "," + job(many(401), "") + `]}`: "jobs: 1001 recipients " +
			"altogether; at most 1000",
	} {
		got, err := opposed(DecodeJobs([]byte(text), testRules()))
		require.ErrorContains(t, err, want)
		require.Nil(t, got)
	}
	_, err = DecodeJob([]byte(`{"jobs":[`+job(good, "")+`]}`), testRules())
	require.ErrorContains(t, err, "jobs: unknown field")
}

func TestJobFromValues(t *testing.T) {
	t.Parallel()
	got, err := Job{
		Reference: "k", Recipients: []JobRecipient{{PhoneNumber: "0711222333", Amount: "10"}},
	}.Disbursal(testRules())
	require.NoError(t, err)
	require.Equal(t, []airtime.Recipient{kes("254711222333", 1000)}, got.Recipients)
	_, err = Job{}.Disbursal(testRules())
	require.EqualError(t, err, "reference: missing; recipients: missing: a job holds at least one")
}

// requireSound checks what every disbursal that leaves the package promises.
func requireSound(t testing.TB, d state.Disbursal, rules Rules) {
	t.Helper()
	require.NoError(t, CheckReference(d.Reference))
	require.NotEmpty(t, d.Recipients)
	require.LessOrEqual(t, len(d.Recipients), state.MaxRecipients)
	if d.Providers != nil {
		require.Empty(t, d.Given)
		require.Len(t, d.Providers, len(d.Recipients))
		require.Equal(t, d.Provider, d.Providers[0])
		require.NotEmpty(t, slices.DeleteFunc(slices.Clone(d.Providers),
			func(provider string) bool { return provider == d.Provider }))
	}
	seen := map[airtime.MSISDN]bool{}
	for i, r := range d.Recipients {
		provider := d.Provider
		if d.Providers != nil {
			provider = d.Providers[i]
		}
		coverage := rules.Coverage(provider, r.Amount.Currency)
		require.True(t, coverage.Takes(r.Amount.Minor, rules.Network(r.Phone)))
		require.False(t, seen[r.Phone] || r.Phone.IsZero())
		seen[r.Phone] = true
		require.True(t, d.Currency.UsedBy(r.Phone))
		require.Equal(t, d.Currency, r.Amount.Currency)
	}
}

func BenchmarkDecodeJob(b *testing.B) {
	data := []byte(job(good, `,"currency":"KES","provider":"lipad","campaign":"c"`))
	rules := testRules()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeJob(data, rules); err != nil {
			b.Fatal(err)
		}
	}
}

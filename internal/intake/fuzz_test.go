package intake

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// longRun is a run of digits, however they are joined, that could be a phone number.
var longRun = regexp.MustCompile(`[0-9]([ .()/_-]{0,2}[0-9]){8}`)

func requireNoNumber(t testing.TB, faults Faults) {
	t.Helper()
	for _, fault := range faults {
		require.NotRegexp(t, longRun, fault)
	}
}

// written is a job as encoding/json reads it, which takes fields in any case and the last of two.
type written struct {
	Reference  string             `json:"reference"`
	Currency   string             `json:"currency,omitempty"`
	Provider   string             `json:"provider,omitempty"`
	Campaign   string             `json:"campaign,omitempty"`
	Recipients []writtenRecipient `json:"recipients"`
}

type writtenRecipient struct {
	PhoneNumber string      `json:"phone_number"`
	Amount      writtenText `json:"amount"`
}

// writtenText is a string or a number, as it is written.
type writtenText string

func (w *writtenText) UnmarshalJSON(raw []byte) error {
	if raw[0] != '"' {
		*w = writtenText(raw)
		return nil
	}
	return json.Unmarshal(raw, (*string)(w))
}

// requireAsWritten checks that a disbursal is what encoding/json reads in a job.
func requireAsWritten(t testing.TB, text string, d state.Disbursal) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	var job written
	require.NoError(t, decoder.Decode(&job))
	require.True(t, json.Valid([]byte(text)), "nothing follows the job")
	require.Equal(t, job.Reference, d.Reference)
	require.Equal(t, job.Provider, d.Given)
	require.Equal(t, job.Campaign, d.Campaign)
	if job.Currency != "" {
		require.Equal(t, airtime.Currency(job.Currency), d.Currency)
	}
	require.Len(t, d.Recipients, len(job.Recipients))
	for i, r := range job.Recipients {
		phone, err := airtime.ParseMSISDN(r.PhoneNumber)
		require.NoError(t, err)
		amount, err := airtime.ParseAmount(string(r.Amount), d.Currency)
		require.NoError(t, err)
		require.Equal(t, airtime.Recipient{Phone: phone, Amount: amount}, d.Recipients[i])
	}
}

// encoded writes a disbursal as a job.
func encoded(t testing.TB, d state.Disbursal) []byte {
	t.Helper()
	job := written{
		Reference: d.Reference, Currency: string(d.Currency), Provider: d.Given,
		Campaign: d.Campaign,
	}
	for _, r := range d.Recipients {
		job.Recipients = append(job.Recipients,
			writtenRecipient{"+" + r.Phone.Digits(), writtenText(r.Amount.Short())})
	}
	text, err := json.Marshal(job)
	require.NoError(t, err)
	return text
}

func FuzzDecodeJob(f *testing.F) {
	for _, row := range jobFaults {
		f.Add(row.text)
	}
	for _, seed := range []string{
		job(good, `,"currency":"KES","provider":"lipad","campaign":"c"`),
		`{"jobs":[` + job(good, "") + `]}`,
		job(to("+256772123456", `500`), `,"currency":"UGX"`),
		job(to("0711000000", "10")+","+to("0733000000", "10.50"), `,"campaign":"caf\u00e9 \u2713"`),
		`{"reference":"r","recipients":[` + good + `],"Reference":"s"}`,
		job(good, `,"recipients":[`+to("0733000000", "10")+`]`),
		`{"0711.000.000":1}`, `{"٠٧١١٠٠٠٠٠٠":1}`, job(good, `,"provider":"0711/000/000"`),
		job(good, `,"currency":"(0711) 000 000"`),
		`{"reference":"r","recipients":[{"\u0030711000000":1}]}`,
	} {
		f.Add(seed)
	}
	plain, routed := testRules(), airtelToSozuri()
	f.Fuzz(func(t *testing.T, text string) {
		for _, rules := range []Rules{plain, routed} {
			disbursal, err := decode(text, rules)
			jobs, errs := opposed(DecodeJobs([]byte(text), rules))
			for _, err := range []error{err, errs} {
				var faults Faults
				require.Equal(t, err != nil, errors.As(err, &faults) && len(faults) > 0)
				requireNoNumber(t, faults)
			}
			for _, d := range jobs {
				requireSound(t, d, rules)
			}
			if err != nil {
				continue
			}
			requireSound(t, disbursal, rules)
			require.NoError(t, errs)
			require.Empty(t, cmp.Diff([]state.Disbursal{disbursal}, jobs))
			requireAsWritten(t, text, disbursal)
			again, err := DecodeJob(encoded(t, disbursal), rules)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(disbursal, again))
		}
	})
}

var scanSeeds = []string{
	"phone_number,amount\n0711000000,10\n0711000000,10\n",
	"\ufeffreference,phone_number,amount,reason\r\na,\"0711 000 000\",10,\"x\"\"\"\r\n,,,\r\n",
	"phone_number,amount,provider,currency,campaign\n0711000000,10,sozuri,KES,c\n1,2\n\"",
	"phone_number,amount,provider\n0711000000,10,sozuri\n0722000000,6000,\n0711000000,20,sozuri\n" +
		"0733000000,6000,sozuri\n0722000000,20,lipad\n0722000000,20,\n",
	"reference,phone_number,amount\na,0711000000,10\nb,0711000000,9\na,0722000000,6000\n",
	`{"phone_number":"0711000000","amount":10}` + "\n{}\n",
	`{"phone_number":"0711000000","amount":"10","campaign":"c"}` + "\n" +
		`{"amount":7000,"phone_number":"254733000000"}` + "\n",
	`{"reference":"a","recipients":[` + good + `]}` + "\n" + `{"recipients":[]}` + "\n",
	"\x1f\x8b", "", "[", "{", "phone_number,0711.000.000\n", "phone_number,amount\n0711000000,1e1\n",
	"amount , phone_number\n\"10\" ,\" 0711000000 \"\n5,\"07\"\"11\"\n",
	"Phone;Amount (KES);Note\n711000000;1.000,50;\"a\nb\"\n2.54711E+11;1,000;\n071100000,0;=1;\n",
	"sep=;\n;Mobile No;Value\n;'0711000000;KES 1 000\n;0711000001;10,50\n",
	"Tel\tAirtime\treason\n0711000000\t1,000.00\tx\n0711000001\t1,50\n",
}

func FuzzScan(f *testing.F) {
	for _, seed := range scanSeeds {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	rules := testRules()
	f.Fuzz(func(t *testing.T, text string, repeats bool) {
		options := Options{Reference: "R", AllowRepeats: repeats}
		plan, err := scanText(t, text, options)
		again, twice := scanText(t, text, options)
		if err != nil {
			require.NotRegexp(t, longRun, err.Error())
			require.EqualError(t, twice, err.Error())
			return
		}
		require.NoError(t, twice)
		require.Equal(t, brief(t, plan), brief(t, again))
		require.Equal(t, faultTexts(plan), faultTexts(again))
		require.Equal(t, plan.Totals, again.Totals)
		for _, fault := range plan.Faults {
			requireNoNumber(t, fault.Faults)
		}
		requireTotals(t, plan, rules)
		if !strings.Contains(text, "{") && !strings.HasPrefix(text, "\x1f\x8b") {
			require.Equal(t, plan.Good, plan.Recipients, "every good row is one recipient")
			requireRows(t, text, plan)
		}
		var out bytes.Buffer
		require.NoError(t, plan.WriteRejects(t.Context(), &out))
		require.Equal(t, plan.Refused() == 0, out.Len() == 0)
		if !strings.Contains(text, "{") && plan.Refused() > 0 {
			again, err := scanText(t, out.String(), options)
			require.NoError(t, err)
			require.Equal(t, plan.Refused(), again.Rows)
		}
	})
}

// requireTotals adds up what a plan yields: it is what the plan says.
func requireTotals(t *testing.T, plan *Plan, rules Rules) {
	t.Helper()
	totals, references := map[Route]Total{}, map[string]bool{}
	recipients := int64(0)
	require.NoError(t, plan.Disbursals(func(d state.Disbursal) error {
		requireSound(t, d, rules)
		require.False(t, references[d.Reference], "two disbursals of one name")
		references[d.Reference] = true
		for i, r := range d.Recipients {
			route := Route{d.Provider, d.Currency}
			if d.Providers != nil {
				route.Provider = d.Providers[i]
			}
			total := totals[route]
			totals[route] = Total{total.Recipients + 1, total.Minor + r.Amount.Minor}
			recipients++
		}
		return nil
	}))
	require.Equal(t, totals, plan.Totals)
	require.Equal(t, recipients, plan.Recipients)
}

// requireRows checks the recipients of a CSV file against encoding/csv, where that reads every
// line: each recipient is a row of the file with the same number and amount.
func requireRows(t *testing.T, text string, plan *Plan) {
	t.Helper()
	if strings.ContainsAny(text, ";\t\r\x00\"") || strings.Contains(text, "sep=") {
		return // Others say what these mean.
	}
	lines := strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n")
	lines = slices.DeleteFunc(lines, func(l string) bool { return strings.Trim(l, ", \ufeff") == "" })
	columns := splitRow(lines[0])
	phone, amount := fieldIn(columns, rowPhone), fieldIn(columns, rowAmount)
	rows := map[string]int{}
	for _, line := range lines[1:] {
		fields := splitRow(line)
		if len(fields) <= max(phone, amount) {
			continue
		}
		number, _ := phoneText(cell{text: trimCell(fields[phone])})
		if number, err := airtime.ParseMSISDN(number); err == nil {
			rows[number.Digits()+" "+fields[amount]]++
		}
	}
	require.NoError(t, plan.Disbursals(func(d state.Disbursal) error {
		for _, r := range d.Recipients {
			require.True(t, takeRow(rows, r), "no row has %s with %s", r.Phone, r.Amount)
		}
		return nil
	}))
}

// fieldIn is the column of a field.
func fieldIn(columns []string, field int) int {
	return slices.IndexFunc(columns, func(heading string) bool {
		found, _ := fieldOf(heading)
		return found == field
	})
}

// takeRow takes one row away that has the number and an amount of the same worth.
func takeRow(rows map[string]int, r airtime.Recipient) bool {
	for row, left := range rows {
		number, amount, _ := strings.Cut(row, " ")
		if left == 0 || number != r.Phone.Digits() {
			continue
		}
		amount = strings.Map(func(c rune) rune {
			if c == '.' || c >= '0' && c <= '9' {
				return c
			}
			return -1
		}, amount)
		worth, err := airtime.ParseAmount(amount, r.Amount.Currency)
		if err == nil && worth == r.Amount {
			rows[row]--
			return true
		}
	}
	return false
}

func splitRow(line string) []string {
	reader := csv.NewReader(strings.NewReader(strings.TrimSpace(line)))
	reader.TrimLeadingSpace = true
	fields, err := reader.Read()
	if err != nil {
		return nil
	}
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	return fields
}

// FuzzSavings saves the same text in other encodings and with other line ends: nothing may change.
func FuzzSavings(f *testing.F) {
	for _, seed := range scanSeeds {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, text string, ignore bool) {
		if strings.ContainsAny(text, "\x00\r") || strings.HasPrefix(text, "\x1f\x8b") ||
			strings.HasPrefix(text, "\ufeff") || strings.HasPrefix(text, "PK") {
			return
		}
		text = strings.ToValidUTF8(text, "?")
		options := Options{Reference: "R", IgnoreExtra: ignore}
		plan, err := scanText(t, text, options)
		for way, saved := range savings(text) {
			if strings.HasSuffix(way, "CR") || !strings.Contains(way, "mark") {
				continue // Of these, few bytes do not tell enough.
			}
			again, twice := scanText(t, saved, options)
			if err != nil {
				require.EqualError(t, twice, err.Error(), way)
				continue
			}
			require.NoError(t, twice, way)
			require.Equal(t, plan.ContentHash, again.ContentHash, way)
			require.Equal(t, faultTexts(plan), faultTexts(again), way)
			require.Equal(t, brief(t, plan), brief(t, again), way)
		}
	})
}

// FuzzPartNames scans the same file under other rules, so that rows turn bad: nobody who is still
// good may find himself in a disbursal of another name, or he would be paid a second time.
func FuzzPartNames(f *testing.F) {
	for _, seed := range scanSeeds {
		f.Add(seed, uint16(2000), true)
		f.Add(seed, uint16(500), false)
	}
	f.Fuzz(func(t *testing.T, text string, most uint16, repeats bool) {
		options := Options{Reference: "R", AllowRepeats: repeats}
		plan, err := scanText(t, text, options)
		if err != nil {
			return
		}
		stricter := testRules()
		delete(stricter.Providers, "sozuri")
		limit := stricter.Providers["lipad"].Limits["KES"]
		limit.Max = int64(most) * 100
		stricter.Providers["lipad"].Limits["KES"] = limit
		less, err := Scan(t.Context(), write(t, "file", text), options, stricter)
		require.NoError(t, err)
		require.LessOrEqual(t, less.Good, plan.Good)
		before := members(t, plan)
		for member, count := range members(t, less) {
			require.LessOrEqual(t, count, before[member], "%s was not there before", member)
		}
	})
}

// members are the recipients of a plan with the names of their disbursals.
func members(t *testing.T, plan *Plan) map[string]int {
	t.Helper()
	all := map[string]int{}
	require.NoError(t, plan.Disbursals(func(d state.Disbursal) error {
		for _, r := range d.Recipients {
			all[fmt.Sprintf("%s %s %s %s", d.Reference, r.Phone.Digits(), r.Amount, d.Campaign)]++
		}
		return nil
	}))
	return all
}

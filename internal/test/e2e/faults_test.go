package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// badJobs break every rule of a job that INTERFACE names; each fault must be named.
var badJobs = []struct {
	job    string
	faults []string
}{
	{`no JSON`, []string{"not valid JSON"}},
	{`[]`, []string{"must be a JSON object"}},
	{`{}`, []string{"reference: missing", "recipients: missing"}},
	{
		`{"reference":"a b","recipients":[{"phone_number":"0711222333","amount":"10"}]}`,
		[]string{"reference: may hold only printable ASCII characters without spaces"},
	},
	{
		`{"reference":"` + strings.Repeat("r", 129) + `","recipients":[]}`,
		[]string{"reference: longer than 128", "recipients: missing"},
	},
	{
		`{"reference":"bad-phone","recipients":[{"phone_number":"0711222","amount":"10"},` +
			`{"phone_number":"0201234567","amount":"10"},{"phone_number":254711222333,"amount":"10"},` +
			`{"phone_number":"+256772123456","amount":"10"},{"amount":"10"}]}`,
		[]string{
			"recipients[0].phone_number", "recipients[1].phone_number", "not a mobile number",
			"recipients[2].phone_number: must be a string", "recipients[3].phone_number",
			"not a number of a country that uses KES", "recipients[4].phone_number: missing",
		},
	},
	{
		`{"reference":"bad-amount","recipients":[{"phone_number":"0711222331","amount":"9.99"},` +
			`{"phone_number":"0711222332","amount":"10000.01"},` +
			`{"phone_number":"0711222333","amount":1e3},{"phone_number":"0711222334","amount":-10},` +
			`{"phone_number":"0711222335","amount":"10.505"},{"phone_number":"0711222336"}]}`,
		[]string{
			"recipients[0].amount: below the minimum of KES 10",
			"recipients[1].amount: above the maximum of KES 10000",
			"recipients[2].amount: must be a plain decimal",
			"recipients[3].amount: must be a plain decimal",
			"recipients[4].amount: has more decimals than KES", "recipients[5].amount: missing",
		},
	},
	{
		`{"reference":"bad-repeat","recipients":[{"phone_number":"0711222333","amount":"10"},` +
			`{"phone_number":"+254711222333","amount":"20"}]}`,
		[]string{"recipients[1].phone_number: same number as recipients[0]"},
	},
	{
		`{"reference":"bad-words","currency":"KSH","provider":"nobody","colour":"red",` +
			`"recipients":[{"phone_number":"0711222333","amount":"10","name":"x"}]}`,
		[]string{
			`currency: "KSH" is not a known currency`, `provider: "nobody"`,
			"colour: unknown field", "recipients[0].name: unknown field",
		},
	},
	{
		`{"reference":"bad-size","recipients":[` + thousandAndOne() + `]}`,
		[]string{"recipients: 1001 of them; a job holds at most 1000"},
	},
}

func thousandAndOne() string {
	all := make([]string, 1001)
	for i := range all {
		all[i] = fmt.Sprintf(`{"phone_number":"%s","amount":"10"}`, phoneAt(i))
	}
	return strings.Join(all, ",")
}

// rejections reads what could not be accepted: job → error, and how many entries there are.
func (h *harness) rejections() (map[string]string, int) {
	h.t.Helper()
	entries, err := h.rdb.XRange(h.t.Context(), "{tuma}:rejected", "-", "+").Result()
	require.NoError(h.t, err)
	byJob := map[string]string{}
	for _, e := range entries {
		fault, _ := e.Values["error"].(string)
		source, _ := e.Values["source"].(string)
		received, _ := e.Values["job"].(string)
		refuseNumbers(h.t, "the rejected stream's error", fault)
		byJob[source+" "+received] = fault
	}
	return byJob, len(entries)
}

// TestEveryFaultIsNamed sends every fault through both inlets. Each job ends on the rejected stream
// as it came, once, with all its faults; the good job between them is taken.
func TestEveryFaultIsNamed(t *testing.T) {
	t.Parallel()
	h := newHarness(t, setup{})
	h.pods(1)
	h.start(cmdEnqueuer, "stream").WaitOutput("serving", testTimeout)
	jobs, wanted := makeJobs("good", 2, 10)
	h.pipeJobs(jobs[:1])
	for _, bad := range badJobs {
		h.redisCLI(bad.job, "-x", "XADD", "{tuma}:jobs", "*", "job")
		h.push(bad.job)
	}
	h.pipeJobs(jobs[1:])
	conflict := jobs[0]
	conflict.Recipients = conflict.Recipients[1:]
	h.await("the good jobs are held", func() bool { _, all := h.counts(); return all == 20 })
	h.pipeJobs([]job{conflict})
	h.push(encode(t, conflict))

	h.await("every faulty job is rejected", func() bool {
		_, n := h.rejections()
		return n >= 2*len(badJobs)+2
	})
	rejected, n := h.rejections()
	require.Equal(t, 2*len(badJobs)+2, n, "one entry for each")
	for _, bad := range badJobs {
		for _, source := range []string{"stream ", "disbursal:accept "} {
			fault, found := rejected[source+bad.job]
			require.True(t, found, "as it came, from %s: %.80s", source, bad.job)
			for _, want := range bad.faults {
				require.Contains(t, fault, want)
			}
		}
	}
	require.Contains(t, rejected["stream "+encode(t, conflict)], "other content")
	require.Contains(t, rejected["disbursal:accept "+encode(t, conflict)], "other content")
	requireEnd(t, h.finished(wanted, "good"), len(wanted))
	require.Zero(t, h.rdb.XLen(t.Context(), "{tuma}:jobs").Val())
}

// TestFaultyFileIsRefusedWhole names every faulty line and accepts nothing.
func TestFaultyFileIsRefusedWhole(t *testing.T) {
	t.Parallel()
	h := newHarness(t, setup{})
	path := filepath.Join(t.TempDir(), "faulty.csv")
	text := "phone_number,amount\n0711222333,10\n0711222,10\n0711222334,1\n0711222333,20\n"
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	s := h.must(5, "import", path)
	require.Contains(t, s.errors, "line 3: phone_number")
	require.Contains(t, s.errors, "line 4: amount: below the minimum of KES 10")
	require.Contains(t, s.errors, "line 5: phone_number")
	require.Contains(t, s.errors, "nothing was accepted")
	keys, err := h.rdb.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	require.NotContains(t, strings.Join(keys, " "), "disbursal")
	require.Zero(t, h.ledger().Requests["send"])
}

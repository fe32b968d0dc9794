package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/sandbox"
	"tuma/internal/test/proctest"
)

// twoAccounts has small amounts go through one account at QuickSMS and others through another.
const twoAccounts = `
providers:
  - {name: agents, kind: quicksms, base_url: "%[1]s", app_key_file: %[3]s, app_token_file: %[3]s}
  - {name: quicksms, kind: quicksms, base_url: "%[2]s", app_key_file: %[3]s, app_token_file: %[3]s}
limits: {agents: {KES: {max: "20"}}}
routing: {rules: [{name: all, providers: [agents, quicksms]}]}
`

// TestTwoAccountsAtOneProvider: each recipient is paid once, at the account that the limits give it
// to, and everything that is shown calls the accounts by their names.
func TestTwoAccountsAtOneProvider(t *testing.T) {
	t.Parallel()
	paid := `{"outcomes":{"successful":1}}`
	h := newHarness(t, setup{
		faults:      paid,
		environment: []string{"LIPAD_BASE_URL=", "LIPAD_CONSUMER_KEY=", "LIPAD_CONSUMER_SECRET="},
	})
	address := proctest.FreeAddr(t)
	h.launch(proctest.Build(t, cmdSandbox),
		[]string{"providers", "--addr", address, "--faults", paid}, nil)
	folder := t.TempDir()
	secret, config := filepath.Join(folder, "secret"), filepath.Join(folder, "tuma.yaml")
	require.NoError(t, os.WriteFile(secret, []byte("word"), 0o600))
	text := fmt.Sprintf(twoAccounts, "http://"+address, h.providers, secret)
	require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
	h.environment = append(h.environment, "TUMA_CONFIG="+config)
	h.await("the second account answers", func() bool {
		answer, err := http.Get("http://" + address + "/sandbox/ledger")
		return err == nil && answer.Body.Close() == nil
	})

	const each = 30
	var list strings.Builder
	list.WriteString("phone_number,amount\n")
	for i := range each {
		fmt.Fprintf(&list, "25471100%04d,15\n25471200%04d,25\n", i, i)
	}
	path := filepath.Join(folder, "list.csv")
	require.NoError(t, os.WriteFile(path, []byte(list.String()), 0o600))
	h.pods(2)
	h.must(0, "import", path, "--reference", "two", "--follow")

	for _, r := range h.report("two") {
		want := map[string]string{"15": "agents", "25": "quicksms"}[strings.TrimSuffix(r.Amount, ".00")]
		require.Equal(t, want, r.Provider, r.PhoneNumber)
		require.Equal(t, "unconfirmed", r.Status)
	}
	require.Equal(t, each, h.ledger().Providers[sandbox.QuickSMS].Recipients.Paid)
	second := *h
	second.providers = "http://" + address
	require.Equal(t, each, second.ledger().Providers[sandbox.QuickSMS].Recipients.Paid)
	h.must(0, "verify")
	var shown struct {
		Channels []channel `json:"channels"`
	}
	require.NoError(t, json.Unmarshal([]byte(h.must(0, "status", "--json").out), &shown))
	var names []string
	for _, c := range shown.Channels {
		names = append(names, c.Provider)
	}
	require.ElementsMatch(t, []string{"agents", "quicksms"}, names)
}

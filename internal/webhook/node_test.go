package webhook_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/test/proctest"
	"tuma/internal/webhook"
)

// TestTheConventionsPackageVerifies what we sign, in JavaScript: with each of two secrets, and with
// no other.
func TestTheConventionsPackageVerifies(t *testing.T) {
	t.Parallel()
	proctest.NotInShort(t, "node")
	node, err := exec.LookPath("node")
	require.NoError(t, err, "node is not on the PATH: run scripts/need-standardwebhooks")
	require.DirExists(t, "testdata/node_modules/standardwebhooks",
		"run scripts/need-standardwebhooks")
	headers, got := map[string]string{}, []byte(nil)
	base := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		for _, name := range []string{
			webhook.HeaderID, webhook.HeaderTimestamp, webhook.HeaderSignature,
		} {
			headers[name] = r.Header.Get(name)
		}
		got = read(r)
	})
	body := webhook.Body(map[string]string{"message": "déjà <payé>", "corrected": "false"})
	s := sender(t, base, first+"\n"+second, nil)
	require.Equal(t, webhook.Delivered, s.Send(t.Context(), "1764486000000-0", body).Outcome)
	for secret, want := range map[string]string{
		first: "verified\n", second: "verified\n",
		"whsec_bm9uZSBvZiB0aGUgdHdvIHNlY3JldHMgYXQgYWxs": "No matching signature found\n",
	} {
		input, err := json.Marshal(map[string]any{
			"secret": secret, "body": string(got), "headers": headers,
		})
		require.NoError(t, err)
		command := exec.Command(node, "testdata/verify.mjs")
		command.Stdin = bytes.NewReader(input)
		output, err := command.CombinedOutput()
		require.NoError(t, err, string(output))
		require.Equal(t, want, string(output))
	}
}

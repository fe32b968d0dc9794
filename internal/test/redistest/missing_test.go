package redistest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMissingServerFailsWithTheRemedy is alone in not being parallel: it changes the PATH.
func TestMissingServerFailsWithTheRemedy(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := launch(t.TempDir(), "127.0.0.1:1", t.Errorf, nil)
	require.ErrorIs(t, err, ErrNotInstalled)
	require.ErrorContains(t, err, "make test")
}

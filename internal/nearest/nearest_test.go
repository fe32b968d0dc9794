package nearest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	known := []string{"import", "status", "report"}
	require.Equal(t, "import", Of("imprt", known))
	require.Equal(t, "status", Close("stauts", known))
	require.Equal(t, "status", Close("statu", known))
	require.Empty(t, Close("weather", known))
	require.Empty(t, Close("x", nil))
	require.Empty(t, Of("x", nil))
}

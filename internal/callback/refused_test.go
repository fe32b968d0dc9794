package callback_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestUnreadableBodiesAreSummedUp: whoever reaches the listener must not fill the log.
func TestUnreadableBodiesAreSummedUp(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	for range 50 {
		answer := h.post("/callbacks/"+token+"/sozuri", asJSON, "no callback")
		require.Equal(t, http.StatusBadRequest, answer.Code)
	}
	require.Equal(t, 1, h.logs.FilterMessage("callback not understood").Len())
}

package api

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRefusalsAreSummedUp: whoever reaches the listener must not fill the log.
func TestRefusalsAreSummedUp(t *testing.T) {
	t.Parallel()
	i := embedded(t)
	for range 50 {
		require.Equal(t, http.StatusUnauthorized,
			i.post(job("r-1", "10"), "Authorization", "Bearer wrong").Code)
		require.Equal(t, http.StatusUnprocessableEntity, i.post("no job").Code)
	}
	require.Equal(t, 2, i.logs.FilterMessage("request refused").Len(), "one for each status")
}

package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// TestARequestIsFoundByItsID: the client's, when it is one, else a new one; answered and logged.
func TestARequestIsFoundByItsID(t *testing.T) {
	t.Parallel()
	const body = `{"reference":"r","recipients":[{"phone_number":"0711000111","amount":"10"}]}`
	for given, kept := range map[string]bool{
		"checkout-17.a:b_c": true, "01939393-1111-7111-8111-254711000111": true,
		"": false, "two words": false, "a\"b": false, "for-254711000111": false,
		strings.Repeat("a", 65): false, strings.Repeat("a", 64): true,
	} {
		i := embedded(t)
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, disbursalsPath,
			strings.NewReader(body))
		request.Header.Set("Authorization", "Bearer shop-token")
		request.Header.Set(requestIDHeader, given)
		answer := httptest.NewRecorder()
		i.ServeHTTP(answer, request)
		require.Equal(t, http.StatusAccepted, answer.Code, answer.Body)
		id := answer.Header().Get(requestIDHeader)
		if kept {
			require.Equal(t, given, id)
		} else {
			require.NoError(t, uuid.Validate(id), "%q was answered with %q", given, id)
		}
		decided := i.logs.FilterMessage("job decided").FilterField(zap.String("request", id))
		require.Equal(t, 1, decided.FilterField(zap.String("reference", "shop/r")).Len())

		refused := httptest.NewRequestWithContext(t.Context(), http.MethodPost, disbursalsPath,
			strings.NewReader(body))
		refused.Header.Set(requestIDHeader, "stranger")
		i.ServeHTTP(httptest.NewRecorder(), refused)
		require.Equal(t, 1, i.logs.FilterMessage("request refused").
			FilterField(zap.String("request", "stranger")).Len())
	}
}

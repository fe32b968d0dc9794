package callback_test

import (
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tuma/internal/callback"
	"tuma/internal/listen"
)

// documented are the routes with a body as the provider's page has it, and the answer to it when
// nothing is on the wire.
var documented = map[string]struct{ body, provider, answer string }{
	"lipad": {
		lipadBody("da091c64-07d6-4a7c-9a9f-e0134869166c", "254711000111", "602"), lipad, "OK",
	},
	atStatus: {atBody(atID(7), "254711000111", "Success"), at, "OK"},
	atValidation: {
		atQuestion("ATXid_1", "254711000111", "500.00"), at, `{"status":"Failed"}` + "\n",
	},
	"sozuri": {sozuriBody("5015342", "254711000111", "KES 1000.00", "success"), sozuri, "OK"},
}

// formOf spells a JSON object as a form.
func formOf(t *testing.T, body string) string {
	t.Helper()
	var fields map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(body), &fields))
	form := url.Values{}
	for name, value := range fields {
		form.Set(name, strings.Trim(string(value), `"`))
	}
	return form.Encode()
}

func TestDocumentedBodiesAreTakenAsJSONAndAsForms(t *testing.T) {
	t.Parallel()
	for route, row := range documented {
		for mediaType, body := range map[string]string{
			asJSON: row.body, asForm: formOf(t, row.body), "": row.body,
			asForm + "; charset=UTF-8": formOf(t, row.body), "text/plain": row.body,
		} {
			t.Run(route+" as "+mediaType, func(t *testing.T) {
				t.Parallel()
				h := newHarness(t, nil)
				answer := h.post("/callbacks/"+token+"/"+route, mediaType, body)
				require.Equal(t, http.StatusOK, answer.Code)
				require.Equal(t, row.answer, answer.Body.String())
				require.Zero(t, h.count(t, "tuma_callbacks_total", row.provider, "unreadable"))
				if route == "lipad" {
					require.EqualValues(t, 1, h.figures(t).DeadLetters, "the batch is not ours")
				}
			})
		}
	}
}

func TestAWrongTokenIsLikeAnUnknownPath(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	unknown := h.post("/callbacks/"+token+"/nobody", asJSON, "{}")
	require.Equal(t, http.StatusNotFound, unknown.Code)
	for route, row := range documented {
		for _, wrong := range []string{
			"x", token[:1], token[:len(token)-1], token + "x", "x" + token, strings.ToUpper(token),
			token + "%20", "%00", strings.Repeat(token, 2),
		} {
			answer := h.post("/callbacks/"+wrong+"/"+route, asJSON, row.body)
			require.Equal(t, unknown.Code, answer.Code, "%s: %s", route, wrong)
			require.Equal(t, unknown.Body.String(), answer.Body.String())
			require.Equal(t, unknown.Header(), answer.Header())
		}
		require.Positive(t, h.count(t, "tuma_callbacks_total", row.provider, "unauthorised"))
	}
	figures := h.figures(t)
	require.Zero(t, figures.Parked+figures.DeadLetters, "a stranger has nothing stored")
}

func TestWrongTokensAreCounted(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	h := newHarness(t, func(o *callback.Options) {
		o.Wrong = listen.NewWrongSecrets("callbacks", registry, zap.NewNop())
	})
	for _, given := range []string{token, token + "x", "x"} {
		gone, cancel := context.WithCancel(t.Context())
		cancel() // Whoever has gone is not made to wait.
		request := httptest.NewRequestWithContext(gone, http.MethodPost,
			"/callbacks/"+given+"/lipad", strings.NewReader(documented["lipad"].body))
		h.handler.ServeHTTP(httptest.NewRecorder(), request)
	}
	families, err := registry.Gather()
	require.NoError(t, err)
	require.Equal(t, "tuma_wrong_secrets_total", families[0].GetName())
	require.InDelta(t, 2, families[0].GetMetric()[0].GetCounter().GetValue(), 0)
}

// TestWithoutATokenNothingIsFound: an empty secret is no secret.
func TestWithoutATokenNothingIsFound(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(o *callback.Options) { o.Token = func() string { return "" } })
	for _, path := range []string{"/callbacks/%20/lipad", "/callbacks/x/lipad"} {
		answer := h.post(path, asJSON, documented["lipad"].body)
		require.Equal(t, http.StatusNotFound, answer.Code, path)
	}
	request := httptest.NewRequest(http.MethodPost, "/callbacks//lipad", strings.NewReader("{}"))
	request.SetPathValue("token", "")
	answer := httptest.NewRecorder()
	h.handler.ServeHTTP(answer, request)
	require.NotEqual(t, http.StatusOK, answer.Code)
}

// TestSecretsAreComparedInConstantTime: a clock would show it only now and then, so it is read in
// the source: secrets are handed to one comparison, and that is the constant one.
func TestSecretsAreComparedInConstantTime(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(gotoken.NewFileSet(), "callback.go", nil, 0)
	require.NoError(t, err)
	compared, constant := 0, false
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Name.Name == "same" {
				constant = mentions(n.Body, "ConstantTimeCompare")
			}
		case *ast.BinaryExpr:
			if n.Op == gotoken.EQL || n.Op == gotoken.NEQ {
				empty, _ := n.Y.(*ast.BasicLit)
				require.True(t, empty != nil && empty.Value == `""` || !mentions(n, "Token", "AuthKey"),
					"a secret is compared by %s", n.Op)
			}
		case *ast.CallExpr:
			if name, ok := n.Fun.(*ast.Ident); ok && name.Name == "same" {
				compared++
			}
		}
		return true
	})
	require.True(t, constant)
	require.Equal(t, 2, compared, "the token and the key in the body")
}

// mentions reports whether one of the names occurs below a node.
func mentions(below ast.Node, names ...string) bool {
	found := false
	ast.Inspect(below, func(n ast.Node) bool {
		if ident, ok := n.(*ast.Ident); ok {
			for _, name := range names {
				found = found || ident.Name == name
			}
		}
		return true
	})
	return found
}

func TestARotatedTokenCountsAtOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	body := documented[atStatus].body
	next := "another-" + token
	h.token.Store(&next)
	require.Equal(t, http.StatusNotFound,
		h.post("/callbacks/"+token+"/"+atStatus, asJSON, body).Code)
	require.Equal(t, http.StatusOK,
		h.post("/callbacks/"+next+"/"+atStatus, asJSON, body).Code)
}

// TestEachProviderMayHaveATokenOfItsOwn: it opens no address of another's.
func TestEachProviderMayHaveATokenOfItsOwn(t *testing.T) {
	t.Parallel()
	own := map[string]string{lipad: "token-of-lipad", at: "token-of-at", sozuri: "token-of-sozuri"}
	pairs := "lipad=token-of-lipad, africastalking=token-of-at\nafricastalking=next-of-at," +
		"sozuri=token-of-sozuri"
	h := newHarness(t, func(o *callback.Options) { o.Token = func() string { return pairs } })
	for route, row := range documented {
		for provider, secret := range own {
			want := http.StatusNotFound
			if provider == row.provider {
				want = http.StatusOK
			}
			got := h.post("/callbacks/"+secret+"/"+route, asJSON, row.body)
			require.Equal(t, want, got.Code, "%s with the token of %s", route, provider)
		}
	}
	require.Equal(t, http.StatusOK,
		h.post("/callbacks/next-of-at/"+atStatus, asJSON, documented[atStatus].body).Code)
}

func TestAProviderThatIsOffIsNotFound(t *testing.T) {
	t.Parallel()
	for route, row := range documented {
		t.Run(route, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, func(o *callback.Options) { delete(o.Entries, row.provider) })
			answer := h.post("/callbacks/"+token+"/"+route, asJSON, row.body)
			require.Equal(t, http.StatusNotFound, answer.Code)
			for other, there := range documented {
				if there.provider != row.provider {
					answer := h.post("/callbacks/"+token+"/"+other, asJSON, there.body)
					require.Equal(t, http.StatusOK, answer.Code, other)
				}
			}
		})
	}
}

// TestWhatNobodyCanReadIsKept, in full and for people only.
func TestWhatNobodyCanReadIsKept(t *testing.T) {
	t.Parallel()
	for route, row := range documented {
		for name, body := range map[string]string{
			"empty": "", "no object": "[]", "cut": row.body[:len(row.body)/2], "html": "<html>",
			"without fields": `{"phoneNumber":"+254711000111","number":"254711000111"}`,
			"a number alone": "254711000111",
		} {
			t.Run(route+" "+name, func(t *testing.T) {
				t.Parallel()
				h := newHarness(t, nil)
				answer := h.post("/callbacks/"+token+"/"+route, asJSON, body)
				require.Equal(t, http.StatusBadRequest, answer.Code)
				require.NotContains(t, answer.Body.String(), "254711000111")
				kept, err := h.rdb.XRange(context.Background(),
					"{"+h.options.Namespace+"}:dead_letters", "-", "+").Result()
				require.NoError(t, err)
				require.Len(t, kept, 1)
				require.Equal(t, row.provider, kept[0].Values["provider"])
				require.Equal(t, body, kept[0].Values["body"])
				require.NotEmpty(t, kept[0].Values["why"])
				if route == atValidation {
					require.JSONEq(t, `{"status":"Failed"}`, answer.Body.String())
					require.Equal(t, 1, h.count(t, "tuma_validations_total", "unreadable", at))
				} else {
					require.Equal(t, 1, h.count(t, "tuma_callbacks_total", row.provider, "unreadable"))
				}
			})
		}
	}
}

func TestBodiesAreLimited(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	path := "/callbacks/" + token + "/sozuri"
	body := sozuriBody("1", phone(1).Digits(), "KES 10", "success")
	const most = 64 << 10
	full := strings.Repeat(" ", most-len(body)) + body
	require.Equal(t, http.StatusOK, h.post(path, asJSON, full).Code)
	answer := h.post(path, asJSON, " "+full)
	require.Equal(t, http.StatusRequestEntityTooLarge, answer.Code)
	require.EqualValues(t, 1, h.figures(t).Parked, "the one that fitted")
	require.Zero(t, h.figures(t).DeadLetters)
}

func TestOtherMethodsAndPathsAreNotServed(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	for _, path := range []string{"/", "/callbacks", "/callbacks/" + token, "/metrics"} {
		require.Equal(t, http.StatusNotFound, h.post(path, asJSON, "{}").Code, path)
	}
	request := httptest.NewRequest(http.MethodGet, "/callbacks/"+token+"/lipad", http.NoBody)
	answer := httptest.NewRecorder()
	h.handler.ServeHTTP(answer, request)
	require.Equal(t, http.StatusMethodNotAllowed, answer.Code)
}

// TestANearMissIsServedOrSaid: a slash at the end is no other address, and our token at one that is
// none is counted and said, without the token.
func TestANearMissIsServedOrSaid(t *testing.T) {
	t.Parallel()
	for route, row := range documented {
		h := newHarness(t, nil)
		served := h.post("/callbacks/"+token+"/"+route+"/", asJSON, row.body)
		require.Equal(t, http.StatusOK, served.Code, route)
		require.Equal(t, row.answer, served.Body.String())
	}
	h := newHarness(t, nil)
	misses := []string{
		"/callbacks/" + token + "/Sozuri", "/Callbacks/" + token + "/sozuri", "/" + token + "/sozuri",
		"/callbacks/" + token + "/sozuri//", "/callbacks//" + token + "/sozuri", "/callbacks/" + token,
		"/callbacks/" + token + "/africastalking", "/callbacks/" + token + "/sozuri/status",
	}
	for _, path := range misses {
		require.Equal(t, http.StatusNotFound, h.post(path, asJSON, "{}").Code, path)
	}
	require.Equal(t, len(misses), h.count(t, "tuma_callbacks_misaddressed_total"))
	for _, path := range []string{"/", "/callbacks/x/Sozuri", "/callbacks/x" + token + "/Sozuri"} {
		require.Equal(t, http.StatusNotFound, h.post(path, asJSON, "{}").Code, path)
	}
	require.Equal(t, len(misses), h.count(t, "tuma_callbacks_misaddressed_total"))
	require.NotZero(t, h.logs.FilterMessageSnippet("an address that is none").Len())
	h.leaksNothing(t)
}

// TestEveryResultStartsAtZero, so that an alert on its growth sees the first one.
func TestEveryResultStartsAtZero(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	for _, provider := range []string{lipad, at, sozuri} {
		for _, word := range []string{
			"hinted", "ignored", "unreadable", "unmatched", "unauthorised", "refused", "applied",
			"unchanged", "parked", "dropped",
		} {
			require.Zero(t, h.count(t, "tuma_callbacks_total", provider, word))
		}
		for _, word := range []string{"validated", "refused", "unreadable", "unavailable"} {
			require.Zero(t, h.count(t, "tuma_validations_total", word, provider))
		}
		for _, word := range []string{"true", "false"} {
			require.Zero(t, h.count(t, "tuma_callback_queries_total", word, provider))
		}
		require.Zero(t, h.count(t, "tuma_callback_amount_mismatches_total", provider))
		require.Zero(t, h.count(t, "tuma_callback_number_mismatches_total", provider))
	}
}

// TestTheLeakDetectorSees what it is there for.
func TestTheLeakDetectorSees(t *testing.T) {
	t.Parallel()
	require.Equal(t, "254700•••001", fmt.Sprint(phone(1)))
	require.Regexp(t, phonePattern, phone(1).Digits())
	require.Regexp(t, phonePattern, "0711000111")
	require.NotRegexp(t, phonePattern, fmt.Sprint(phone(1)))
}

package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"tuma/internal/config"
	"tuma/internal/intake"
	"tuma/internal/test/schematest"
)

// document is what the tests read of openapi.yaml.
type document struct {
	Paths      map[string]map[string]operation
	Components struct{ Responses map[string]response }
}

type operation struct {
	Scope       config.Scope                       `yaml:"x-scope"`
	RequestBody struct{ Content map[string]media } `yaml:"requestBody"`
	Responses   map[string]response
}

type response struct {
	Ref     string `yaml:"$ref"`
	Content map[string]media
}

type media struct {
	Schema struct {
		Ref string `yaml:"$ref"`
	}
	Example  any
	Examples map[string]struct{ Value any }
}

func readDescription(t *testing.T) document {
	t.Helper()
	var d document
	require.NoError(t, yaml.Unmarshal(description, &d))
	return d
}

// answers lists "METHOD path status" with the response that the document gives.
func (d document) answers() map[string]response {
	all := map[string]response{}
	for path, operations := range d.Paths {
		for method, operation := range operations {
			for status, r := range operation.Responses {
				if name, shared := strings.CutPrefix(r.Ref, "#/components/responses/"); shared {
					r = d.Components.Responses[name]
				}
				all[strings.ToUpper(method)+" "+path+" "+status] = r
			}
		}
	}
	return all
}

// documented is how the document names a route's answer.
func documented(r route, status int) string {
	path := strings.NewReplacer("...}", "}", "{$}", "").Replace(r.path)
	return fmt.Sprintf("%s %s %d", r.method, path, status)
}

// viewsOf are the types behind the schemas of answers; nil is written elsewhere.
var viewsOf = map[string]func() any{
	"Held": func() any { return &disbursalView{} }, "Error": func() any { return &errorView{} },
	"Errors": func() any { return &errorsView{} }, "Service": func() any { return &serviceView{} },
	"Sent": func() any { return &airtimeView{} }, "Status": nil,
	"Disbursals": func() any { return &disbursalsView{} },
	"Recipients": func() any { return &recipientsView{} },
	"Cancelled":  func() any { return &cancelView{} },
	"Results":    func() any { return &resultsView{} },
}

// fits demands that a body is as its schema says, decodes it into the type behind the schema,
// strictly, and demands that nothing is lost.
func fits(t *testing.T, schema string, body []byte) {
	t.Helper()
	schema = strings.TrimPrefix(schema, "#/components/schemas/")
	view, known := viewsOf[schema]
	require.True(t, known, "schema %q", schema)
	if view == nil {
		return
	}
	schematest.Read(t, description).Fits(t, schema, body)
	decoded := view()
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(decoded), string(body))
	again, err := json.Marshal(decoded)
	require.NoError(t, err)
	require.JSONEq(t, string(body), string(again))
}

func TestTheDescriptionIsTheTableOfRoutes(t *testing.T) {
	t.Parallel()
	table := map[string]bool{}
	for _, route := range embedded(t).routes() {
		for _, status := range route.answers {
			table[documented(route, status)] = true
		}
	}
	document := readDescription(t)
	for _, route := range embedded(t).routes() {
		method, path, _ := strings.Cut(documented(route, 0), " ")
		operation := document.Paths[strings.TrimSuffix(path, " 0")][strings.ToLower(method)]
		require.Equal(t, route.scope, operation.Scope, path)
	}
	described := document.answers()
	require.Equal(t, slices.Sorted(maps.Keys(table)), slices.Sorted(maps.Keys(described)))
}

func TestExamplesAreReadByTheRealDecoder(t *testing.T) {
	t.Parallel()
	d := readDescription(t)
	jobs := d.Paths[disbursalsPath]["post"].RequestBody.Content["application/json"].Examples
	require.Len(t, jobs, 2)
	for name, example := range jobs {
		body, err := json.Marshal(example.Value)
		require.NoError(t, err)
		decoded, err := intake.DecodeJobOf(body, "from-the-header", rules())
		require.NoError(t, err, name)
		require.NotEmpty(t, decoded.Recipients, name)
	}
	for name, r := range d.answers() {
		content, there := r.Content["application/json"]
		if !there {
			require.Equal(t, "GET /openapi.yaml 200", name)
			continue
		}
		body, err := json.Marshal(content.Example)
		require.NoError(t, err)
		fits(t, content.Schema.Ref, body)
	}
}

// answerCase is a request and the status that it must get.
type answerCase struct {
	method, target, body string
	headers              []string
	change               []func(*Options)
	before               func(t *testing.T, i *inlet)
	status               int
}

const (
	sendQuery = "phone=0711000001&amount=10&idempotencyKey=k-1"
	formType  = "application/x-www-form-urlencoded"
)

// wellFormed are requests that succeed, by route.
var wellFormed = map[string]answerCase{
	"POST " + disbursalsPath:                         {target: disbursalsPath, body: job("r-1", "10")},
	"GET " + disbursalsPath + "/{reference...}":      {target: disbursalsPath + "/r-0"},
	"GET " + disbursalsPath:                          {target: disbursalsPath},
	"POST " + disbursalsPath + "/{reference}/cancel": {target: disbursalsPath + "/r-0/cancel"},
	"GET " + recipientsPath:                          {target: recipientsPath + "?id=order-1"},
	"GET " + resultsPath:                             {target: resultsPath},
	"GET /airtime/{$}":                               {target: "/airtime/"},
	"GET " + sendPath:                                {target: sendPath + "?" + sendQuery},
	"POST " + sendPath: {
		target: sendPath, body: sendQuery, headers: []string{"Content-Type", formType},
	},
	"GET /openapi.yaml": {target: "/openapi.yaml"},
}

// hold puts a job there before the request of a case.
func hold(reference, amount string) func(*testing.T, *inlet) {
	return func(t *testing.T, i *inlet) {
		t.Helper()
		require.Equal(t, http.StatusAccepted, i.post(job(reference, amount)).Code)
	}
}

// cases are all answers of all routes.
func cases(routes []route) []answerCase {
	large := strings.Repeat(" ", maxBody+1)
	list := []answerCase{
		{target: disbursalsPath, body: job("r-1", "10"), before: hold("r-1", "10"), status: 200},
		{target: disbursalsPath, body: job("r-1", "11"), before: hold("r-1", "10"), status: 409},
		{target: disbursalsPath, body: job("r-1", "1"), status: 422},
		{target: disbursalsPath, body: large, status: 413},
		{
			target: disbursalsPath, body: job("r-1", "10"), status: 415,
			headers: []string{"Content-Encoding", "gzip"},
		},
		{target: disbursalsPath, body: brokenBody, status: 400},
		{method: "GET", target: disbursalsPath + "/nobody", status: 404},
		{method: "GET", target: disbursalsPath + "?limit=0", status: 400},
		{target: disbursalsPath + "/nothing/cancel", status: 404},
		{target: disbursalsPath + "/r-0/cancel", body: large, status: 413},
		{target: disbursalsPath + "/r-0/cancel", body: brokenBody, status: 400},
		{method: "GET", target: recipientsPath, status: 400},
		{method: "GET", target: resultsPath + "?limit=0", status: 400},
		{
			method: "GET", target: resultsPath + "?after=0-0", status: 410,
			before: func(t *testing.T, i *inlet) {
				t.Helper()
				i.result(t, "shop", 1)
				i.trim(t)
			},
		},
		{method: "GET", target: sendPath, status: 400},
		{target: sendPath, status: 400},
		{target: sendPath, body: large, headers: []string{"Content-Type", formType}, status: 413},
	}
	for _, method := range []string{"GET", "POST"} {
		list = append(list, answerCase{
			method: method, target: sendPath + "?" + sendQuery, before: hold("k-1", "10"),
			status: 409, // The same key, at another provider.
		})
	}
	for _, route := range routes {
		well := wellFormed[route.pattern()]
		well.method = route.method
		with := func(status int, change []func(*Options), before func(*testing.T, *inlet),
			headers ...string,
		) {
			c := well
			c.status, c.change, c.before = status, change, before
			c.headers = slices.Concat(c.headers, headers)
			list = append(list, c)
		}
		if route.method == "POST" && route.path == disbursalsPath {
			with(202, nil, nil)
		} else {
			with(200, nil, hold("r-0", "10"))
		}
		with(403, []func(*Options){withoutTokens}, nil, "Origin", "https://example.com")
		if route.open {
			continue
		}
		with(401, nil, nil, "Authorization", "Bearer wrong")
		with(429, nil, func(_ *testing.T, i *inlet) { i.limits.burst = 0 })
		with(503, nil, func(_ *testing.T, i *inlet) { i.redis.SetError("LOADING it replays") })
	}
	return list
}

// brokenBody stands for a body that ends before its time.
const brokenBody = "\x00broken"

// answerOf sends the request of a case, and returns the description's name of the answer.
func (i *inlet) answerOf(t *testing.T, c answerCase) (name string, body []byte) {
	t.Helper()
	var source io.Reader = strings.NewReader(c.body)
	if c.body == brokenBody {
		source = iotest.ErrReader(io.ErrUnexpectedEOF)
	}
	request := i.request(c.method, c.target, source, c.headers...)
	recorder := httptest.NewRecorder()
	i.ServeHTTP(recorder, request)
	require.Equal(t, c.status, recorder.Code, recorder.Body.String())
	if c.status == http.StatusTooManyRequests || c.status == http.StatusServiceUnavailable {
		require.NotEmpty(t, recorder.Header().Get("Retry-After"))
	}
	for _, route := range i.routes() {
		if route.pattern() == request.Pattern {
			return documented(route, recorder.Code), recorder.Body.Bytes()
		}
	}
	t.Fatalf("no route for %s", request.Pattern)
	return "", nil
}

// TestEveryAnswer gets every answer that the description names, and none that it does not.
func TestEveryAnswer(t *testing.T) {
	t.Parallel()
	described := readDescription(t).answers()
	var mu sync.Mutex
	seen := map[string]bool{}
	routes := embedded(t).routes()
	// Run returns when all cases have ended, since it is not parallel itself.
	t.Run("cases", func(t *testing.T) {
		for n, c := range cases(routes) {
			if c.method == "" {
				c.method = http.MethodPost
			}
			t.Run(fmt.Sprintf("%d %s %s", n, c.method, http.StatusText(c.status)), func(t *testing.T) {
				t.Parallel()
				i := embedded(t, c.change...)
				if c.before != nil {
					c.before(t, i)
				}
				name, body := i.answerOf(t, c)
				mu.Lock()
				seen[name] = true
				mu.Unlock()
				content, there := described[name].Content["application/json"]
				if there {
					fits(t, content.Schema.Ref, body)
				}
				require.NotRegexp(t, `(254|0)711\d{6}|shop-token|wrong`, i.logged())
			})
		}
	})
	require.Equal(t, slices.Sorted(maps.Keys(described)), slices.Sorted(maps.Keys(seen)))
}

func TestTheMetricsNameEveryAnswerFromTheStart(t *testing.T) {
	t.Parallel()
	i := embedded(t)
	require.Equal(t, http.StatusAccepted, i.post(job("r-1", "10")).Code)
	require.Equal(t, http.StatusNotFound, i.ask("GET", "/nowhere", "").Code)
	require.Equal(t, http.StatusMethodNotAllowed, i.ask("DELETE", disbursalsPath, "").Code)
	families, err := i.reg.Gather()
	require.NoError(t, err)
	counts := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == "tuma_http_requests_total" {
				labels := m.GetLabel()
				counts[labels[0].GetValue()+" "+labels[1].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	expected := map[string]float64{"none 403": 0, "none 404": 1, "none 405": 1}
	for _, route := range i.routes() {
		for _, status := range route.answers {
			expected[fmt.Sprintf("%s %d", route.pattern(), status)] = 0
		}
	}
	expected["POST "+disbursalsPath+" 202"] = 1
	require.Equal(t, expected, counts)
}

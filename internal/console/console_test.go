package console_test

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"golang.org/x/crypto/bcrypt"

	"tuma/internal/airtime"
	"tuma/internal/console"
	"tuma/internal/providers"
	"tuma/internal/redisconn"
	"tuma/internal/routing"
	"tuma/internal/state"
)

const password = "correct horse battery"

// site is a console on an embedded Redis.
type site struct {
	t     *testing.T
	store *state.Store
	redis *miniredis.Miniredis
	http  *httptest.Server
}

// open starts a console with some users, each with one role of the same name; without any for the
// demo.
func open(t *testing.T, users ...string) *site {
	t.Helper()
	redis := miniredis.RunT(t)
	store, err := state.Open(context.Background(), state.Options{
		Options: redisconn.Options{URL: "redis://" + redis.Addr()}, Namespace: "tuma",
		AllowVolatile: true, Providers: []providers.Capabilities{{Name: "lipad", Code: 'L'}},
		Rules: routing.Rules{Approvals: []routing.Approval{{
			Name: "all", Conditions: routing.Conditions{Campaigns: []string{"*"}},
			Above: map[airtime.Currency]int64{"KES": 0},
		}}},
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	options := console.Options{
		State: store, Providers: []string{"lipad"}, Timezone: time.UTC, Log: zap.NewNop(),
		Wake:       func(context.Context, ...*state.Wakeup) {},
		CheckRules: func(context.Context) error { return nil },
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	require.NoError(t, err)
	for _, name := range users {
		if options.Users == nil {
			options.Users = console.Users{}
		}
		roles := []console.Role{console.Role(name)}
		if name == "all" {
			roles = console.Roles()
		}
		options.Users[name] = &console.User{Name: name, PasswordHash: string(hash), Roles: roles}
	}
	server := httptest.NewServer(console.New(options))
	t.Cleanup(server.Close)
	return &site{t: t, store: store, redis: redis, http: server}
}

// accept takes a disbursal of one recipient, who is held for approval.
func (s *site) accept(ref, by string) {
	s.t.Helper()
	phone, err := airtime.ParseMSISDN("0711000001")
	require.NoError(s.t, err)
	got, err := s.store.Accept(context.Background(), []state.Disbursal{{
		Reference: ref, Provider: "lipad", Currency: "KES", SubmittedBy: by,
		Recipients: []airtime.Recipient{
			{Phone: phone, Amount: airtime.Money{Minor: 1_234_50, Currency: "KES"}},
		},
	}})
	require.NoError(s.t, err)
	require.Equal(s.t, []state.Outcome{state.Accepted}, got.Outcomes)
}

// browser is a person's.
type browser struct {
	*site
	client *http.Client
}

func (s *site) browser() *browser {
	jar, err := cookiejar.New(nil)
	require.NoError(s.t, err)
	return &browser{s, &http.Client{Jar: jar}}
}

func (b *browser) do(r *http.Request) (int, string) {
	b.t.Helper()
	answer, err := b.client.Do(r)
	require.NoError(b.t, err)
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	require.NoError(b.t, err)
	return answer.StatusCode, string(text)
}

func (b *browser) get(path string) (int, string) {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodGet, b.http.URL+path, nil)
	require.NoError(b.t, err)
	return b.do(r)
}

// post sends a form with the token of the session, and other fields in pairs.
func (b *browser) post(path string, fields ...string) (int, string) {
	b.t.Helper()
	_, page := b.get("/holds")
	form := url.Values{}
	for _, token := range regexp.MustCompile(`name="token" value="([^"]+)"`).
		FindAllStringSubmatch(page, 1) {
		form.Set("token", token[1])
	}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	r, err := http.NewRequest(http.MethodPost, b.http.URL+path, strings.NewReader(form.Encode()))
	require.NoError(b.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(r)
}

func (s *site) signedIn(user string) *browser {
	s.t.Helper()
	b := s.browser()
	status, page := b.post("/sign-in", "user", user, "password", password)
	require.Equal(s.t, http.StatusOK, status)
	require.Contains(s.t, page, "Where recipients stand")
	return b
}

// held are the fields of the form that releases the only group that is held.
func (s *site) held() []string {
	s.t.Helper()
	groups, err := s.store.Holds(context.Background())
	require.NoError(s.t, err)
	require.Len(s.t, groups, 1)
	g := groups[0]
	return []string{
		"kind", string(g.Kind), "name", g.Name, "reason", string(g.Reason), "digest", g.Digest,
	}
}

// shows wants each page in both languages, with no text missing.
func (b *browser) shows(pages ...string) {
	b.t.Helper()
	for _, path := range pages {
		for _, language := range []string{"en", "sw-KE"} {
			r, err := http.NewRequest(http.MethodGet, b.http.URL+path, nil)
			require.NoError(b.t, err)
			r.Header.Set("Accept-Language", language)
			status, page := b.do(r)
			require.Equal(b.t, http.StatusOK, status, path)
			require.Contains(b.t, page, "</html>")
			require.Contains(b.t, page, `lang="`+language[:2]+`"`)
			missing := regexp.MustCompile(`[>"\s][a-z]+\.[a-z_]+[<"\s]`).FindString(page)
			require.Empty(b.t, missing, "%s: a text is missing in %s", path, language)
		}
	}
}

// TestPages shows every page, with and without something on it, in both languages, and each leaves
// nothing to say.
func TestPages(t *testing.T) {
	t.Parallel()
	s := open(t, "all")
	b := s.signedIn("all")
	pages := []string{
		"/", "/imports", "/holds", "/review", "/channels", "/audit", "/find", "/find?q=0711000001",
		"/find?q=nothing",
	}
	b.shows(pages...)
	s.accept("wave/1", "wanjiku")
	_, _, err := s.store.PauseChannel(context.Background(), "lipad", "p", "<b>why</b>")
	require.NoError(t, err)
	b.shows(append(pages, "/disbursals/wave/1", "/recipients/wave/1/254711000001")...)
	_, page := b.get("/recipients/wave/1/254711000001")
	require.Contains(t, page, "KES 1,234.50")
	require.Contains(t, page, "accepted")
	_, page = b.get("/channels")
	require.Contains(t, page, "&lt;b&gt;why")
	require.NotContains(t, page, "<b>why")
	for _, path := range []string{"/nothing", "/imports/nothing", "/recipients/wave/1/254711000002"} {
		status, page := b.get(path)
		require.Equal(t, http.StatusNotFound, status, path)
		require.Contains(t, page, `role="alert"`)
	}
}

func TestApproval(t *testing.T) {
	t.Parallel()
	s := open(t, "approver", "sender", "all")
	s.accept("wave", "all")
	fields := s.held()
	status, page := s.signedIn("sender").post("/holds/release", fields...)
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, page, "Your roles do not allow it")
	status, page = s.signedIn("all").post("/holds/release", fields...)
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, page, "another person has to approve it")
	approver := s.signedIn("approver")
	status, _ = approver.post("/holds/release", append(fields, "token", "another")...)
	require.Equal(t, http.StatusForbidden, status)
	other := strings.Repeat("0", 64)
	status, page = approver.post("/holds/release", append(fields, "digest", other)...)
	require.Equal(t, http.StatusConflict, status)
	require.Contains(t, page, "look again")
	status, _ = approver.post("/holds/release", append(fields, "digest", "")...)
	require.Equal(t, http.StatusBadRequest, status)
	require.Equal(t, fields, s.held(), "nothing was released by any of these")
	status, page = approver.post("/holds/release", fields...)
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, page, "1 recipients are released")
	status, page = approver.post("/holds/release", fields...)
	require.Equal(t, http.StatusConflict, status, "twice")
	require.Contains(t, page, "somebody may have been faster")
	_, page = approver.get("/audit")
	require.Contains(t, page, "<td>approver</td><td>release</td><td>wave</td>")
}

func TestChannelsAndCancel(t *testing.T) {
	t.Parallel()
	s := open(t, "operator", "sender", "viewer")
	operator := s.signedIn("operator")
	_, page := operator.post("/channels/pause", "provider", "lipad", "note", "low balance")
	require.Contains(t, page, "low balance")
	channels, err := s.store.Channels(context.Background())
	require.NoError(t, err)
	require.Equal(t, "operator", channels[0].Manual.Who)
	_, page = operator.post("/channels/resume", "provider", "lipad")
	require.NotContains(t, page, "low balance")
	status, _ := operator.post("/channels/pause", "provider", "nobody")
	require.Equal(t, http.StatusBadRequest, status)
	s.accept("wave", "w")
	cancel := []string{"kind", "disbursal", "name", "wave"}
	for _, user := range []string{"operator", "viewer"} {
		status, _ = s.signedIn(user).post("/cancel", cancel...)
		require.Equal(t, http.StatusForbidden, status)
	}
	_, page = s.signedIn("sender").post("/cancel", cancel...)
	require.Contains(t, page, `<span class="status cancelled">`)
}

// doubt lets the answer to the only recipient be lost.
func (s *site) doubt() {
	s.t.Helper()
	ctx := context.Background()
	got, err := s.store.Claim(ctx, "lipad", "worker", 1000)
	require.NoError(s.t, err)
	require.NotNil(s.t, got.Batch)
	_, err = s.store.BeginSend(ctx, got.Batch, "worker")
	require.NoError(s.t, err)
	recorded, err := s.store.Record(ctx, state.Answer{
		Batch: got.Batch, Attempt: 1, Accepted: airtime.Submitted,
		Answer: providers.Answer{Verdict: airtime.Unknown, Reason: airtime.ReasonTimeout},
	})
	require.NoError(s.t, err)
	require.Equal(s.t, 1, recorded.InDoubt)
}

// field is the value of a hidden field on a page.
func field(t *testing.T, page, name string) string {
	t.Helper()
	found := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(page)
	require.NotNil(t, found, name)
	return found[1]
}

func TestDecide(t *testing.T) {
	t.Parallel()
	s := open(t, "operator", "approver")
	s.accept("wave", "w")
	_, _ = s.signedIn("approver").post("/holds/release", s.held()...)
	s.doubt()
	b := s.signedIn("operator")
	b.shows("/review", "/recipients/wave/254711000001")
	_, page := b.get("/review")
	path := regexp.MustCompile(`/review/in_doubt/[^"]+`).FindString(page)
	b.shows(path)
	_, page = b.get(path)
	fields := []string{
		"queue", "in_doubt", "batch", field(t, page, "batch"), "seen", field(t, page, "seen"),
		"as", "paid", "evidence", "portal, 21 Nov",
	}
	post := func(user string, changed ...string) (int, string) {
		return s.signedIn(user).post("/review/decide", append(fields, changed...)...)
	}
	for _, row := range []struct {
		user    string
		changed []string
		status  int
		says    string
	}{
		{"approver", nil, http.StatusForbidden, "Your roles"},
		{"operator", []string{"seen", "other"}, http.StatusConflict, "look again"},
		{"operator", []string{"evidence", "  "}, http.StatusBadRequest, "how it is known"},
		{"operator", []string{"as", "maybe"}, http.StatusBadRequest, "forms make"},
		{"operator", []string{"batch", "another"}, http.StatusNotFound, "any more"},
		{"operator", nil, http.StatusConflict, "may still have an effect"},
	} {
		status, page := post(row.user, row.changed...)
		require.Equal(t, row.status, status, page)
		require.Contains(t, page, row.says)
	}
	s.redis.SetTime(time.Now().Add(time.Hour))
	status, page := post("operator")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, page, "Nothing has to be decided")
	_, page = b.get("/recipients/wave/254711000001")
	require.Contains(t, page, `<span class="status successful">`)
	require.Contains(t, page, "portal, 21 Nov")
	status, page = b.post("/recipients/decide", "recipient", field(t, page, "recipient"),
		"seen", field(t, page, "seen"), "as", "unpaid", "evidence", "the customer says no")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, page, `<span class="status failed">`)
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	s := open(t, "viewer")
	b := s.browser()
	_, page := b.get("/audit")
	require.Contains(t, page, `name="next" value="/audit"`)
	for range 10 {
		status, page := b.post("/sign-in", "user", "viewer", "password", "wrong")
		require.Equal(t, http.StatusUnauthorized, status)
		require.Contains(t, page, "is wrong")
	}
	status, page := b.post("/sign-in", "user", "viewer", "password", password)
	require.Equal(t, http.StatusUnauthorized, status)
	require.Contains(t, page, "locked")
	s.redis.FastForward(16 * time.Minute)
	_, page = b.post("/sign-in", "user", "viewer", "password", password,
		"next", "https://evil.example/")
	require.Contains(t, page, "Where recipients stand")
	address, err := url.Parse(s.http.URL)
	require.NoError(t, err)
	stolen := b.client.Jar.Cookies(address)
	require.Len(t, stolen, 1)
	require.NotContains(t, s.redis.Dump(), stolen[0].Value, "the secret is not in Redis")
	_, _ = b.post("/sign-out")
	thief := s.browser()
	thief.client.Jar.SetCookies(address, stolen)
	_, page = thief.get("/")
	require.Contains(t, page, `name="password"`)
}

// TestForgery: a form of another site has no effect, whatever cookie the browser sends with it.
func TestForgery(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.browser()
	_, page := b.get("/")
	require.Contains(t, page, "Demo: there is no file of users")
	r, err := http.NewRequest(http.MethodPost, s.http.URL+"/channels/pause",
		strings.NewReader("provider=lipad"))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	status, _ := b.do(r)
	require.Equal(t, http.StatusForbidden, status)
	channels, err := s.store.Channels(context.Background())
	require.NoError(t, err)
	for _, c := range channels {
		require.Nil(t, c.Manual)
	}
}

func TestAConsoleWithoutUsersIsForThisMachine(t *testing.T) {
	t.Parallel()
	_, err := console.Listen(":0", console.Options{})
	require.ErrorIs(t, err, console.ErrOpen)
}

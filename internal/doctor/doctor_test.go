package doctor_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/doctor"
	"tuma/internal/sandbox"
	"tuma/internal/state"
	"tuma/internal/test/proctest"
)

// TestAHealthyDeploymentIsAllWell: a worker and a poller run, somebody was paid, and the listener
// is asked through its address.
func TestAHealthyDeploymentIsAllWell(t *testing.T) {
	t.Parallel()
	h, _ := ownHarness(t)
	listener := proctest.FreeAddr(t)
	h.set(map[string]string{"TUMA_CALLBACK_ADDR": listener})
	h.work()
	h.accept()
	require.Eventually(t, func() bool {
		sum, err := h.store.Summarize(t.Context(), state.KindDisbursal, "r-1")
		return err == nil && sum.Settled
	}, testTimeout, 20*time.Millisecond)
	h.edit = func(o *doctor.Options) { o.CallbackURL = "http://" + listener }
	var steps []string
	report := h.examineWith(t, func(step string, _, _ int) { steps = append(steps, step) })
	require.False(t, report.Drifted)
	seen := map[string]bool{}
	for _, f := range report.Findings {
		seen[f.Check] = true
		if f.Check == "providers" && f.Result == doctor.Skipped {
			require.Regexp(t, "^(quicksms|sozuri) is there", f.Detail)
			continue
		}
		require.Equal(t, doctor.OK, f.Result, "%+v", f)
	}
	for _, check := range doctor.Checks() {
		require.True(t, seen[check], check)
		require.Contains(t, steps, "checking "+check)
	}
	require.Contains(t, steps, "recounting")
	requireFound(t, report, doctor.Finding{
		Check: "books", Result: doctor.OK, Detail: "the books balance: 1 recipient in 1 disbursal",
	})
	for _, route := range []string{
		"lipad", "africastalking/status", "africastalking/validation", "sozuri",
	} {
		requireFound(t, report, doctor.Finding{
			Check: "callbacks", Result: doctor.OK, Detail: route + " is reached",
		})
	}
	stats, err := h.store.Stats(t.Context())
	require.NoError(t, err)
	require.Zero(t, stats.DeadLetters+stats.Parked, "asking left nothing behind")
}

func (h *harness) examineWith(t *testing.T, progress func(string, int, int)) doctor.Report {
	t.Helper()
	before := h.edit
	h.edit = func(o *doctor.Options) {
		if before != nil {
			before(o)
		}
		o.Progress = progress
	}
	return h.examine()
}

// workFaults are what is made wrong in the state and in the queues.
var workFaults = []wrong{
	{"nobody works", func(w *harness) { w.accept() }, doctor.Finding{
		Check: "workers", Result: doctor.Failed, Detail: "no worker takes disbursals for lipad",
		Advice: "start a worker",
	}},
	{"nobody is there", func(*harness) {}, doctor.Finding{
		Check: "workers", Result: doctor.Warning, Detail: "no poller runs", Advice: "start a poller",
	}},
	{"nobody asks", func(w *harness) { w.do("zadd {ns}:due " + old(0) + " b-1") }, doctor.Finding{
		Check: "workers", Result: doctor.Failed, Detail: "no poller runs", Advice: "start a poller",
	}},
	{
		"queue paused",
		func(w *harness) { w.do("set " + w.queue("lipad", "paused") + " 1") },
		doctor.Finding{
			Check: "queues", Result: doctor.Failed, Detail: "lipad is paused", Advice: "resume it",
		},
	},
	{
		"triggers archived",
		func(w *harness) { w.do("zadd " + w.queue("poll", "archived") + " 1 b-1") },
		doctor.Finding{
			Check: "queues", Result: doctor.Warning, Detail: "1 task archived", Advice: "dashboard",
		},
	},
	{
		"disbursals archived",
		func(w *harness) { w.do("zadd " + w.queue("disbursals", "archived") + " 1 t-1") },
		doctor.Finding{
			Check: "queues", Result: doctor.Failed, Detail: "held by asynq alone",
			Advice: "run them again",
		},
	},
	{
		"left behind",
		func(w *harness) {
			w.do("rpush " + w.queue("lipad", "active") + " fresh old lost")
			for id, ended := range map[string]time.Duration{"fresh": 0, "old": 10 * time.Minute} {
				w.do(fmt.Sprint("zadd ", w.queue("lipad", "lease"), " ", ago(ended)/1000, " ", id))
			}
		},
		doctor.Finding{
			Check: "queues", Result: doctor.Warning, Detail: "2 active tasks", Advice: "minutes",
		},
	},
	{
		"disbursals left behind",
		func(w *harness) { w.do("rpush " + w.queue("disbursals", "active") + " lost") },
		doctor.Finding{
			Check: "queues", Result: doctor.Failed, Detail: "1 active task", Advice: "start a worker",
		},
	},
	{"no money", pause(airtime.ReasonBalance), doctor.Finding{
		Check: "channels", Result: doctor.Failed, Detail: "lipad is paused since",
		Advice: "top the account up",
	}},
	{"bad key", pause(airtime.ReasonCredentials), doctor.Finding{
		Check: "channels", Result: doctor.Failed, Detail: ": credentials", Advice: "credentials",
	}},
	{"storm", pause(airtime.ReasonServerError), doctor.Finding{
		Check: "channels", Result: doctor.Warning, Detail: ": server_error", Advice: "by itself",
	}},
	{"probed", probe(airtime.ReasonTimeout), doctor.Finding{
		Check: "channels", Result: doctor.Warning, Detail: "one recipient at a time",
		Advice: "first clear answer",
	}},
	{"probed with refused credentials", probe(airtime.ReasonCredentials), doctor.Finding{
		Check: "channels", Result: doctor.Failed, Detail: "credentials; one recipient at a time",
		Advice: "correct the credentials: it will not mend itself",
	}},
	{
		"paused by a person",
		func(w *harness) {
			_, _, err := w.store.PauseChannel(w.t.Context(), "lipad", "amina", "wrong list")
			require.NoError(w.t, err)
		},
		doctor.Finding{
			Check: "channels", Result: doctor.Warning, Detail: "nothing is sent there: wrong list",
			Advice: "enqueuer channel resume lipad",
		},
	},
	{
		"unserved",
		func(w *harness) {
			w.accept()
			w.do("hset {ns}:channel:lipad waiting " + old(2*time.Minute))
		},
		doctor.Finding{
			Check: "channels", Result: doctor.Failed, Detail: "no worker has asked",
			Advice: "credentials on the workers",
		},
	},
	{
		"blocked",
		func(w *harness) {
			w.accept()
			w.do("hset {ns}:doubtphones:lipad 254711222333 1")
			_, err := w.store.Claim(w.t.Context(), "lipad", uuid.NewString(), 1)
			require.NoError(w.t, err)
		},
		doctor.Finding{
			Check: "channels", Result: doctor.Warning, Detail: "in doubt there",
			Advice: "indoubt list",
		},
	},
	{
		"frozen", func(w *harness) {
			w.do("hset {ns}:state schema 1 fenced_until " + old(-time.Minute))
		},
		doctor.Finding{
			Check: "channels", Result: doctor.Warning, Detail: "claiming is fenced", Advice: "wait",
		},
	},
	{
		"clock set back",
		func(w *harness) { w.do("hset {ns}:state schema 1 clock " + old(-10*time.Minute)) },
		doctor.Finding{
			Check: "clock", Result: doctor.Failed, Detail: "behind what it has shown", Advice: "NTP",
		},
	},
	{
		"slot", func(w *harness) { w.do("zadd {ns}:slots:sozuri " + old(time.Hour) + " b-1") },
		doctor.Finding{
			Check: "stuck", Result: doctor.Failed, Detail: "sozuri: the time of a request was over 1h",
			Advice: "credentials of sozuri",
		},
	},
	{
		"queries", func(w *harness) { w.do("zadd {ns}:due " + old(time.Hour) + " b-1") },
		doctor.Finding{
			Check: "stuck", Result: doctor.Failed, Detail: "status queries have been due for 1h",
			Advice: "pollers",
		},
	},
	{
		"callbacks", func(w *harness) { w.do("zadd {ns}:parkeddue " + old(time.Hour) + " c-1") },
		doctor.Finding{
			Check: "stuck", Result: doctor.Warning, Detail: "callbacks have waited", Advice: "poller",
		},
	},
	{
		"jobs", func(w *harness) { w.do("xadd {ns}:jobs " + old(time.Hour) + "-0 job {}") },
		doctor.Finding{
			Check: "stuck", Result: doctor.Failed, Detail: "a job has waited on the stream for 1h",
			Advice: "enqueuer stream",
		},
	},
	{"open", func(w *harness) { w.accept() }, doctor.Finding{
		Check: "stuck", Result: doctor.OK, Detail: "oldest open recipients: lipad",
	}},
	{"doubt", func(w *harness) { w.do("zadd {ns}:doubt 1 b-1") }, doctor.Finding{
		Check: "review", Result: doctor.Warning, Detail: "1 request with recipients in doubt",
		Advice: "enqueuer indoubt list",
	}},
	{"overdue", func(w *harness) { w.do("zadd {ns}:overdue 1 b-1") }, doctor.Finding{
		Check: "review", Result: doctor.Warning, Detail: "provider takes", Advice: "indoubt list",
	}},
	{"overpaid", func(w *harness) { w.do("sadd {ns}:overpaid s-1") }, doctor.Finding{
		Check: "review", Result: doctor.Warning, Detail: "1 recipient with a second effect",
		Advice: "claim the money back",
	}},
	{"mismatched", func(w *harness) { w.do("zadd {ns}:mismatched 1 s-1") }, doctor.Finding{
		Check: "review", Result: doctor.Warning, Detail: "1 recipient with reports of a provider",
		Advice: "statement",
	}},
	{"dead_letters", func(w *harness) { w.do("xadd {ns}:dead_letters * body x") }, doctor.Finding{
		Check: "review", Result: doctor.Warning, Detail: "1 callback could", Advice: ":dead_letters",
	}},
	{"dropped", func(w *harness) {
		w.do("hset {ns}:state schema 1 callbacks_dropped 3")
	}, doctor.Finding{
		Check: "review", Result: doctor.Warning, Detail: "3 callbacks given up",
		Advice: "statements",
	}},
	{
		"reader gone",
		func(w *harness) {
			w.do("xadd {ns}:results " + old(3*time.Hour) + "-0 a b")
			w.do("xgroup create {ns}:results ledger 0")
		},
		doctor.Finding{
			Check: "streams", Result: doctor.Warning, Detail: "has not read for 3h",
			Advice: "XGROUP DESTROY",
		},
	},
	{
		"reader asleep",
		func(w *harness) {
			w.do("xadd {ns}:results " + old(3*time.Hour) + "-0 a b")
			w.do("xgroup create {ns}:results ledger 0")
			w.do("xreadgroup group ledger one streams {ns}:results >")
		},
		doctor.Finding{
			Check: "streams", Result: doctor.Warning, Detail: "has not acknowledged for 3h",
			Advice: "XPENDING",
		},
	},
	{"rejected", func(w *harness) { w.do("xadd {ns}:rejected * job x") }, doctor.Finding{
		Check: "streams", Result: doctor.Warning, Detail: "1 job rejected within a day",
		Advice: ":rejected",
	}},
	{
		"webhook off",
		func(w *harness) {
			w.do("zadd {ns}:webhooks " + old(0) + " shop")
			w.do("hset {ns}:webhook:shop cursor 1-0 why HTTP-410 off " + old(time.Hour))
		},
		doctor.Finding{
			Check: "webhooks", Result: doctor.Failed, Detail: "webhook shop is off since",
			Advice: "enqueuer webhook on shop",
		},
	},
	{
		"webhook late",
		func(w *harness) {
			w.do("zadd {ns}:webhooks " + old(0) + " shop")
			w.do("hset {ns}:webhook:shop cursor 1-0 error HTTP-500")
			w.do("zadd {ns}:webhookwaiting:shop 1 " + old(2*time.Hour) + "-0")
		},
		doctor.Finding{
			Check: "webhooks", Result: doctor.Warning, Detail: "a result has waited for 2h0m",
			Advice: "ask the producer",
		},
	},
	{
		"webhook given up",
		func(w *harness) {
			w.do("zadd {ns}:webhooks " + old(0) + " shop")
			w.do("zadd {ns}:webhookgivenup:shop 1 1-0")
		},
		doctor.Finding{
			Check: "webhooks", Result: doctor.Warning, Detail: "1 result given up after three days",
			Advice: "tries them again",
		},
	},
	{
		"webhook undelivered",
		func(w *harness) {
			w.do("zadd {ns}:webhooks " + old(0) + " shop")
			w.do("zadd {ns}:webhookwaiting:shop 1 1-0")
		},
		doctor.Finding{
			Check: "workers", Result: doctor.Failed, Detail: "no poller delivers webhooks",
			Advice: "start a poller",
		},
	},
	{
		"books",
		func(w *harness) {
			w.accept()
			w.drift()
		},
		doctor.Finding{
			Check: "books", Result: doctor.Failed, Detail: "lipad KES queued minor is 1100 in the " +
				"book, counted 1000", Advice: "enqueuer verify",
		},
	},
}

func TestTheWorkMadeWrong(t *testing.T) {
	t.Parallel()
	for _, row := range workFaults {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			row.make(h)
			report := h.examine(row.want.Check)
			requireFound(t, report, row.want)
			require.Equal(t, row.want.Check == "books", report.Drifted)
		})
	}
}

func pause(reason airtime.Reason) func(*harness) {
	return func(h *harness) {
		h.accept()
		require.NoError(h.t, h.store.Pause(h.t.Context(), "lipad", reason, time.Minute))
	}
}

// probe is a pause that is over.
func probe(reason airtime.Reason) func(*harness) {
	return func(h *harness) {
		h.accept()
		require.NoError(h.t, h.store.Pause(h.t.Context(), "lipad", reason, time.Millisecond))
		require.Eventually(h.t, func() bool {
			channels, err := h.store.Channels(h.t.Context())
			return err == nil && channels[0].Paused == 0 && channels[0].HalfOpen
		}, testTimeout, time.Millisecond)
	}
}

// drift puts a shilling into the book that nobody has.
func (h *harness) drift() {
	require.NoError(h.t, h.client.HSet(h.t.Context(), "{"+h.namespace+"}:book",
		"lipad KES queued", "1 1100 0").Err())
}

// TestTheSettingsMadeWrong: they are valid, and yet not what one wants.
func TestTheSettingsMadeWrong(t *testing.T) {
	t.Parallel()
	none := map[string]string{}
	for _, name := range []string{
		"LIPAD_BASE_URL", "LIPAD_CONSUMER_KEY", "LIPAD_CONSUMER_SECRET", "AFRICASTALKING_BASE_URL",
		"AFRICASTALKING_USERNAME", "AFRICASTALKING_API_KEY", "QUICKSMS_BASE_URL", "QUICKSMS_APP_KEY",
		"QUICKSMS_APP_TOKEN", "SOZURI_BASE_URL", "SOZURI_PROJECT", "SOZURI_API_KEY",
	} {
		none[name] = ""
	}
	for name, row := range map[string]struct {
		settings map[string]string
		want     doctor.Finding
	}{
		"no provider": {none, doctor.Finding{
			Result: doctor.Warning, Detail: "no provider is on", Advice: "credentials",
		}},
		"token for nobody": {none, doctor.Finding{
			Result: doctor.Warning, Detail: "TUMA_CALLBACK_TOKEN is set, and no provider",
			Advice: "credentials",
		}},
		"volatile": {map[string]string{"TUMA_ALLOW_VOLATILE": "true"}, doctor.Finding{
			Result: doctor.Failed, Detail: "TUMA_ALLOW_VOLATILE", Advice: "remove it",
		}},
		"sandbox": {map[string]string{"AFRICASTALKING_USERNAME": "sandbox"}, doctor.Finding{
			Result: doctor.Warning, Detail: "pays no recipient", Advice: "live",
		}},
		"unused key": {
			map[string]string{
				"SOZURI_CALLBACK_KEY": "x", "SOZURI_PROJECT": "", "SOZURI_API_KEY": "",
				"SOZURI_BASE_URL": "",
			},
			doctor.Finding{
				Result: doctor.Warning, Detail: "Sozuri is off", Advice: "SOZURI_PROJECT",
			},
		},
		"no token": {map[string]string{"TUMA_CALLBACK_TOKEN": ""}, doctor.Finding{
			Result: doctor.Warning, Detail: "TUMA_CALLBACK_TOKEN is not set", Advice: "poller",
		}},
		"short token": {map[string]string{"TUMA_CALLBACK_TOKEN": "short"}, doctor.Finding{
			Result: doctor.Warning, Detail: "easy to guess", Advice: "openssl rand",
		}},
		"monotonous token": {
			map[string]string{"TUMA_CALLBACK_TOKEN": "aaaaaaaaaaaaaaaaaaaaaaaa"},
			doctor.Finding{
				Result: doctor.Warning, Detail: "easy to guess", Advice: "openssl rand",
			},
		},
		"open inlet": {map[string]string{"TUMA_HTTP_ADDR": ":8080"}, doctor.Finding{
			Result: doctor.Failed, Detail: "TUMA_HTTP_TOKENS is not set", Advice: "127.0.0.1",
		}},
		"weak producer": {map[string]string{"TUMA_HTTP_TOKENS": "shop=abc"}, doctor.Finding{
			Result: doctor.Warning, Detail: "producer shop", Advice: "openssl rand",
		}},
		"weak password": {
			map[string]string{"TUMA_MONITOR_USER": "u", "TUMA_MONITOR_PASSWORD": "admin"},
			doctor.Finding{
				Result: doctor.Warning, Detail: "TUMA_MONITOR_PASSWORD", Advice: "openssl rand",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			h.set(row.settings)
			row.want.Check = "configuration"
			requireFound(t, h.examine("configuration"), row.want)
		})
	}
}

// TestTheProvidersMadeWrong: nothing is sent to any of them.
func TestTheProvidersMadeWrong(t *testing.T) {
	t.Parallel()
	faults := func(name string, edit func(*sandbox.Faults)) func(*harness) {
		return func(h *harness) {
			f, err := h.simulator.ProviderFaults(name)
			require.NoError(h.t, err)
			edit(&f)
			require.NoError(h.t, h.simulator.SetProviderFaults(name, f))
		}
	}
	refuse := func(f *sandbox.Faults) { f.RefuseCredentials = true }
	away := map[string]string{}
	for _, name := range []string{
		"LIPAD_BASE_URL", "AFRICASTALKING_BASE_URL", "QUICKSMS_BASE_URL", "SOZURI_BASE_URL",
	} {
		away[name] = "http://127.0.0.1:1"
	}
	for _, row := range []wrong{
		{"lipad", faults("lipad", refuse), doctor.Finding{
			Result: doctor.Failed, Detail: "lipad does not accept the credentials",
			Advice: "LIPAD_CONSUMER_KEY",
		}},
		{"africastalking", faults("africastalking", refuse), doctor.Finding{
			Result: doctor.Failed, Detail: "africastalking does not accept", Advice: "AFRICASTALKING",
		}},
		{
			"empty", faults("africastalking", func(f *sandbox.Faults) { f.Balance = "0.00" }),
			doctor.Finding{Result: doctor.Warning, Detail: "the account is empty", Advice: "top it up"},
		},
		{
			"balance", faults("africastalking", func(f *sandbox.Faults) { f.Balance = "12.50" }),
			doctor.Finding{Result: doctor.OK, Detail: "the balance is KES 12.50"},
		},
		{"lipad away", func(h *harness) { h.set(away) }, doctor.Finding{
			Result: doctor.Failed, Detail: "lipad gives no usable answer", Advice: "firewall",
		}},
		{"quicksms away", func(h *harness) { h.set(away) }, doctor.Finding{
			Result: doctor.Failed, Detail: "quicksms gives no usable answer", Advice: "firewall",
		}},
		{"quicksms", func(*harness) {}, doctor.Finding{
			Result: doctor.Skipped, Detail: "no way to try the credentials without a payment",
		}},
		{
			"not asked",
			func(h *harness) { h.edit = func(o *doctor.Options) { o.NoProviders = true } },
			doctor.Finding{Result: doctor.Skipped, Detail: "not asked for"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			row.make(h)
			row.want.Check = "providers"
			requireFound(t, h.examine("providers"), row.want)
			require.Zero(t, h.simulator.Ledger().Totals().Requests["send"])
		})
	}
}

// TestTheCallbackAddressMadeWrong: only our own listener, behind the right token, counts.
func TestTheCallbackAddressMadeWrong(t *testing.T) {
	t.Parallel()
	answering := func(status int) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(status)
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	for name, row := range map[string]struct {
		address  string
		settings map[string]string
		want     doctor.Finding
	}{
		"nobody": {"http://127.0.0.1:1", nil, doctor.Finding{
			Result: doctor.Failed, Detail: "is not reached", Advice: "firewall",
		}},
		"not there": {answering(404), nil, doctor.Finding{
			Result: doctor.Failed, Detail: "lipad: not found", Advice: "TUMA_CALLBACK_TOKEN",
		}},
		"maybe kept out": {
			answering(404), map[string]string{"TUMA_CALLBACK_ALLOW": "192.0.2.0/24"}, doctor.Finding{
				Result: doctor.Warning, Detail: "TUMA_CALLBACK_ALLOW", Advice: "is allowed",
			},
		},
		"refuses all": {answering(405), nil, doctor.Finding{
			Result: doctor.Failed, Detail: "something else answers (HTTP 405)",
			Advice: "TUMA_CALLBACK_ADDR",
		}},
		"a web page": {answering(200), nil, doctor.Finding{
			Result: doctor.Failed, Detail: "something else answers (HTTP 200)",
			Advice: "TUMA_CALLBACK_ADDR",
		}},
		"sent on": {answering(301), nil, doctor.Finding{
			Result: doctor.Failed, Detail: "sent elsewhere (HTTP 301)", Advice: "do not follow",
		}},
		"kept out": {answering(403), nil, doctor.Finding{
			Result: doctor.Warning, Detail: "refused (HTTP 403)", Advice: "from outside",
		}},
		"no token": {answering(405), map[string]string{"TUMA_CALLBACK_TOKEN": ""}, doctor.Finding{
			Result: doctor.Failed, Detail: "TUMA_CALLBACK_TOKEN is not set", Advice: "poller",
		}},
		"not asked": {"", nil, doctor.Finding{
			Result: doctor.Skipped, Detail: "--callback-url",
		}},
		"plain": {"http://nobody.invalid", nil, doctor.Finding{
			Result: doctor.Warning, Detail: "plain http", Advice: "https",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			h.set(row.settings)
			h.edit = func(o *doctor.Options) { o.CallbackURL = row.address }
			row.want.Check = "callbacks"
			requireFound(t, h.examine("callbacks"), row.want)
		})
	}
}

func TestOnlyKnowsItsChecks(t *testing.T) {
	t.Parallel()
	_, err := doctor.Run(t.Context(), doctor.Options{Only: []string{"redis", "weather"}})
	require.ErrorIs(t, err, doctor.ErrNoSuchCheck)
	require.ErrorContains(t, err, "weather")
	require.ErrorContains(t, err, "permissions")
}

func TestAStoppedExaminationIsNoFinding(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	ctx, cancel := context.WithCancel(t.Context())
	h.edit = func(o *doctor.Options) { o.Progress = func(string, int, int) { cancel() } }
	options := doctor.Options{Config: h.config(), Now: time.Now}
	h.edit(&options)
	_, err := doctor.Run(ctx, options)
	require.ErrorIs(t, err, context.Canceled)
}

// TestAccountsHaveNames: each is looked at, and called by its name.
func TestAccountsHaveNames(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	base := h.settings["SOZURI_BASE_URL"]
	for name := range h.settings {
		for _, kind := range []string{"LIPAD_", "AFRICASTALKING_", "QUICKSMS_", "SOZURI_"} {
			if strings.HasPrefix(name, kind) {
				delete(h.settings, name)
			}
		}
	}
	folder := t.TempDir()
	secret, file := filepath.Join(folder, "secret"), filepath.Join(folder, "tuma.yaml")
	require.NoError(t, os.WriteFile(secret, []byte("talkingword"), 0o600))
	text := strings.NewReplacer("BASE", base, "SECRET", secret).Replace(`providers:
  - {name: at-ke, kind: africastalking, base_url: "BASE", username: u, api_key_file: SECRET}
  - {name: at-ug, kind: africastalking, base_url: "BASE", username: sandbox, api_key_file: SECRET}
  - {name: callbacks, kind: sozuri, callback_key_file: SECRET}
`)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	h.set(map[string]string{"TUMA_CONFIG": file, "TUMA_CALLBACK_TOKEN": "at-ke=" + token})
	h.edit = func(o *doctor.Options) { o.CallbackURL = "http://127.0.0.1:1" }
	var shown []string
	for _, f := range h.examine("configuration", "providers", "callbacks").Findings {
		shown = append(shown, f.Detail)
	}
	all := strings.Join(shown, "\n")
	for _, want := range []string{
		"providers.at-ug.username is sandbox", "at-ke accepts the credentials",
		"at-ug accepts the credentials", "providers.callbacks.callback_key_file is set",
	} {
		require.Contains(t, all, want)
	}
}

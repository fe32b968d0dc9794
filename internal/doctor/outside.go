package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tuma/internal/airtime"
	"tuma/internal/config"
	"tuma/internal/providers"
)

// dateWrong is from which difference on a provider's clock is worth a word: its Date header has
// whole seconds, and the answer takes a moment.
const dateWrong = 5 * time.Second

// providers asks each provider that is on here whether it knows our credentials, where that is
// documented, and otherwise whether anybody is there.
func (r *runner) providers(ctx context.Context) error {
	if r.NoProviders {
		r.skip("not asked for")
		return nil
	}
	names := r.Config.Providers()
	for i, name := range names {
		r.Progress("asking "+name, i, len(names))
		if checker := r.Entries[name].Account; checker != nil {
			r.account(ctx, name, checker)
		} else {
			r.host(ctx, name)
		}
	}
	if len(names) == 0 {
		r.skip("no provider is on here")
	}
	return nil
}

// account asks a provider about our account.
func (r *runner) account(ctx context.Context, name string, checker providers.AccountChecker) {
	began := r.Now()
	account, err := checker.CheckAccount(ctx)
	var refused *providers.QueryError
	switch {
	case errors.As(err, &refused) && refused.Reason == airtime.ReasonCredentials:
		r.fail(name+" does not accept the credentials: "+refused.Err.Error(),
			"correct "+r.Config.Instance(name).Credentials())
		return
	case err != nil:
		r.unreached(name, err)
		return
	}
	took := r.Now().Sub(began)
	r.date(name, account.At, took)
	switch balance := account.Balance; {
	case balance.Currency == "":
		r.ok("%s accepts the credentials (%s)", name, about(took))
	case balance.Minor <= 0:
		r.warn(name+" accepts the credentials; the account is empty", "top it up")
	default:
		r.ok("%s accepts the credentials (%s); the balance is %s", name, about(took), balance)
	}
}

// host asks whether anybody is there. The root of the address is no way to pay.
func (r *runner) host(ctx context.Context, name string) {
	began := r.Now()
	answer, err := r.get(ctx, r.base(name)+"/")
	if err != nil {
		r.unreached(name, err)
		return
	}
	took := r.Now().Sub(began)
	r.date(name, answer.At(), took)
	r.skip(fmt.Sprintf("%s is there (%s); it documents no way to try the credentials without a "+
		"payment", name, about(took)))
}

// base is where a provider is.
func (r *runner) base(name string) string {
	return r.Config.Instance(name).Text(providers.KeyBaseURL)
}

func (r *runner) unreached(name string, err error) {
	r.fail(name+" gives no usable answer: "+err.Error(), "look at DNS, the firewall and the "+
		"certificates between here and "+r.base(name)+"; if others reach it, ask the provider")
}

// date compares this machine's clock with a provider's answer that took a while.
func (r *runner) date(name string, at time.Time, took time.Duration) {
	if at.IsZero() {
		return
	}
	// The header's second began at most a second before the answer left.
	behind := at.Add(time.Second / 2).Sub(r.Now().Add(-took / 2))
	if behind.Abs() > dateWrong+took {
		r.compare(name+"'s clock", behind)
	}
}

// get asks for a page. Its error shows no address.
func (r *runner) get(ctx context.Context, address string) (providers.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return providers.Response{}, errors.New("the address is not a URL")
	}
	return r.Client.Ask(ctx, request)
}

// notOurs is a token that no listener has.
const notOurs = "enqueuer-doctor-asks-with-a-wrong-token"

// callbacks asks the callback listener through its public address with GET, which it refuses (405)
// before it reads anything, and only behind the right token.
func (r *runner) callbacks(ctx context.Context) error {
	tokens, err := config.ParseCallbackTokens(r.Config.CallbackToken.Value())
	switch {
	case r.CallbackURL == "":
		r.skip("say where providers reach the listener: --callback-url https://host")
		return nil
	case err != nil:
		r.fail("TUMA_CALLBACK_TOKEN is not set: no process takes callbacks",
			"set it where the poller runs, and here")
		return nil //nolint:nilerr // It is what the check finds.
	}
	base := strings.TrimRight(r.CallbackURL, "/") + "/callbacks/"
	r.plain()
	if !r.reporting() {
		r.skip("no provider that reports by callbacks is on here")
	}
	for _, name := range r.Config.Providers() {
		for _, route := range r.Entries[name].Routes {
			if !r.listens(ctx, base, name, route.Under(name), tokens.Of(name)) {
				return nil
			}
		}
	}
	return nil
}

// reporting says whether a provider is on that calls us.
func (r *runner) reporting() bool {
	for _, entry := range r.Entries {
		if len(entry.Routes) > 0 {
			return true
		}
	}
	return false
}

// listens asks one address of a provider, with the first of its tokens and with a wrong one. It
// reports whether there was an answer.
func (r *runner) listens(ctx context.Context, base, name, path string, own []string) bool {
	if len(own) == 0 {
		r.fail("TUMA_CALLBACK_TOKEN holds no token of "+name+": its callbacks are not taken",
			"add "+name+"=token where the poller runs, and here")
		return true
	}
	right, err := r.get(ctx, base+url.PathEscape(own[0])+"/"+path)
	if r.unheard(err) {
		return false
	}
	if right.Status != http.StatusMethodNotAllowed {
		r.elsewhere(path, right.Status)
		return true
	}
	// Something that refuses every GET is not our listener.
	wrong, err := r.get(ctx, base+notOurs+"/"+path)
	switch {
	case r.unheard(err):
		return false
	case wrong.Status == http.StatusNotFound:
		r.ok("%s is reached", path)
	default:
		r.elsewhere(path, wrong.Status)
	}
	return true
}

// unheard reports whether there was no answer, and says so.
func (r *runner) unheard(err error) bool {
	if err != nil {
		r.fail("the callback listener is not reached: "+err.Error(), "look at DNS, the firewall and "+
			"the proxy in front of the poller, and at the certificate that it shows")
	}
	return err != nil
}

// plain warns of an address that shows the token to the network.
func (r *runner) plain() {
	parsed, err := url.Parse(r.CallbackURL)
	if err == nil && parsed.Scheme == "http" && !config.Loopback(parsed.Host) {
		r.warn("the callback address is plain http: it shows the token to the network",
			"give the providers an https address")
	}
}

// elsewhere says what an answer means that is not our listener's.
func (r *runner) elsewhere(path string, status int) {
	switch {
	case status == http.StatusNotFound && len(r.Config.CallbackAllow) > 0:
		r.warn(path+": not found there, which TUMA_CALLBACK_ALLOW may be the reason of",
			"ask from an address that is allowed, or compare TUMA_CALLBACK_TOKEN here and at the poller")
	case status == http.StatusNotFound:
		r.fail(path+": not found there", "compare TUMA_CALLBACK_TOKEN here and at the poller, and "+
			"whether the provider's credentials are set at the poller; a proxy must keep the path")
	case status == http.StatusForbidden || status == http.StatusUnauthorized:
		r.warn(fmt.Sprintf("%s: refused (HTTP %d)", path, status), "this machine may not be one that "+
			"callbacks are taken from; ask from outside, and look at the proxy")
	case status >= 300 && status <= 399:
		r.fail(fmt.Sprintf("%s: sent elsewhere (HTTP %d)", path, status),
			"give the providers the address that it ends at: they do not follow")
	default:
		r.fail(fmt.Sprintf("%s: something else answers (HTTP %d)", path, status),
			"let the address lead to TUMA_CALLBACK_ADDR of the poller")
	}
}

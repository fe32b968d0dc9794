package doctor

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"tuma/internal/cli"
	"tuma/internal/config"
)

const (
	// shortest is how many characters a secret of our own has at least, and variety how many
	// different ones.
	shortest, variety = 16, 6
)

// version says what runs here.
func (r *runner) version(context.Context) error {
	if _, known := debug.ReadBuildInfo(); !known {
		r.warn("this program does not know what it was built from", "build it with make build")
		return nil
	}
	r.ok("Tuma %s", cli.Version())
	return nil
}

// configuration looks at settings that are valid and yet not what one wants.
func (r *runner) configuration(context.Context) error {
	c := r.Config
	on := c.Providers()
	if len(on) == 0 {
		r.warn("no provider is on here: a worker would not start",
			"set its credentials, unless only enqueuer runs with this configuration")
	}
	if c.AllowVolatile {
		r.fail("TUMA_ALLOW_VOLATILE is true: a Redis that forgets payments is accepted",
			"remove it outside of tests")
	}
	for _, i := range c.Instances {
		r.instance(i)
	}
	r.callbackToken()
	r.inlet()
	if c.MonitorPassword.IsSet() && weak(c.MonitorPassword.Value()) {
		r.warn("TUMA_MONITOR_PASSWORD is easy to guess", longer)
	}
	if r.sound() {
		r.ok("providers on: %s", strings.Join(on, ", "))
	}
	return nil
}

// instance looks at the settings of one provider.
func (r *runner) instance(i *config.Instance) {
	if key := i.Spec.CallbackKey; !i.On && i.Secret(key).IsSet() {
		r.warn(i.Called(key)+" is set, and "+i.Spec.Title+" is off",
			"set "+i.Credentials()+", or remove it")
	}
	if !i.On || i.Spec.Warnings == nil {
		return
	}
	for _, w := range i.Spec.Warnings(i.Values()) {
		r.warn(w.Detail, w.Advice)
	}
}

// longer is the advice about secrets of our own.
const longer = "make a random one: openssl rand -hex 24"

// weak reports whether a secret of our own can be guessed.
func weak(secret string) bool {
	different := map[rune]bool{}
	for _, c := range secret {
		different[c] = true
	}
	return len(secret) < shortest || len(different) < variety
}

// callbackToken looks at the only thing that keeps strangers from reporting payments.
func (r *runner) callbackToken() {
	reporting := r.reporting()
	token := r.Config.CallbackToken
	tokens, _ := config.ParseCallbackTokens(token.Value()) // It was checked at the start.
	switch {
	case token.IsSet() && slices.ContainsFunc(tokens.All(), weak):
		r.warn("TUMA_CALLBACK_TOKEN is easy to guess: strangers could report payments", longer)
	case token.IsSet() && !reporting:
		r.warn("TUMA_CALLBACK_TOKEN is set, and no provider that reports by callbacks is on here",
			"set the provider's credentials where the poller runs")
	case !token.IsSet() && reporting:
		r.warn("TUMA_CALLBACK_TOKEN is not set: no callbacks are taken, and what cannot be asked for "+
			"stays open", "set it where the poller runs, and give the address to the providers")
	}
}

// inlet looks at who may push disbursals over HTTP.
func (r *runner) inlet() {
	c := r.Config
	if !c.HTTPTokens.IsSet() {
		if !config.Loopback(c.HTTPAddr) {
			r.fail("TUMA_HTTP_ADDR is reached from other machines, and TUMA_HTTP_TOKENS is not set: "+
				"enqueuer serve does not start", "set TUMA_HTTP_TOKENS, or bind to 127.0.0.1")
		}
		return
	}
	tokens, err := config.ParseTokens(c.HTTPTokens.Value())
	if err != nil { // It was checked at the start; a mounted file may have changed.
		r.fail("TUMA_HTTP_TOKENS "+err.Error(), "correct it")
		return
	}
	for _, token := range tokens {
		if token.Plain != "" && weak(token.Plain) { // Of a hash nothing can be said.
			r.warn(fmt.Sprintf("the token of producer %s in TUMA_HTTP_TOKENS is easy to guess",
				token.Producer), longer)
		}
	}
}

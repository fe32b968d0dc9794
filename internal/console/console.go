package console

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"time"

	"go.uber.org/zap"

	"tuma/internal/config"
	"tuma/internal/listen"
	"tuma/internal/state"
)

// Options are what a console needs.
type Options struct {
	State *state.Store
	// Users may sign in; nil lets everybody in as the user demo, with every role.
	Users Users
	// Wake tells workers that there is something to do.
	Wake func(context.Context, ...*state.Wakeup)
	// Providers are those that have a channel here.
	Providers []string
	// CheckRules returns an error when the rules of this process are not those of the workers.
	CheckRules func(context.Context) error
	// Secure says that browsers reach the console by HTTPS, which a proxy ends.
	Secure   bool
	Timezone *time.Location
	Log      *zap.Logger
}

// Console answers the requests of browsers.
type Console struct {
	options Options
	users   Users
	handler http.Handler
}

// ErrOpen is returned when a console without users would be reached from other machines.
var ErrOpen = errors.New("TUMA_CONSOLE_USERS: name a file of users, since TUMA_CONSOLE_ADDR is " +
	"reached from other machines (without users only loopback, such as 127.0.0.1:8090)")

//go:embed static
var static embed.FS

// New returns a console.
func New(o Options) *Console {
	c := &Console{options: o, users: o.Users}
	if o.Users == nil {
		c.users = Users{demo().Name: demo()}
	}
	files, err := fs.Sub(static, "static")
	if err != nil {
		panic(err) // The folder is embedded.
	}
	mux := http.NewServeMux()
	mux.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(files)))
	mux.HandleFunc("GET /sign-in", func(w http.ResponseWriter, r *http.Request) {
		c.showSignIn(w, r, "")
	})
	mux.HandleFunc("POST /sign-in", c.signIn)
	for pattern, page := range map[string]page{
		"GET /{$}":                       c.overview,
		"GET /imports":                   c.listNames,
		"GET /imports/{name...}":         c.name(state.KindImport),
		"GET /campaigns/{name...}":       c.name(state.KindCampaign),
		"GET /disbursals/{name...}":      c.name(state.KindDisbursal),
		"GET /find":                      c.find,
		"GET /recipients/{recipient...}": c.recipient,
		"GET /holds":                     c.holds,
		"GET /review":                    c.review,
		"GET /review/{queue}/{batch}":    c.reviewOne,
		"GET /channels":                  c.channels,
		"GET /audit":                     c.audit,
		"POST /sign-out":                 c.signOut,
		"POST /holds/release":            c.only(Approver, c.release),
		"POST /review/decide":            c.only(Operator, c.decideTogether),
		"POST /recipients/decide":        c.only(Operator, c.decideOne),
		"POST /cancel":                   c.only(Sender, c.cancel),
		"POST /channels/pause":           c.only(Operator, c.pause),
		"POST /channels/resume":          c.only(Operator, c.resume),
	} {
		mux.Handle(pattern, c.known(page))
	}
	mux.Handle("/", c.known(func(http.ResponseWriter, *http.Request, *visit) error {
		return errNotFound
	}))
	c.handler = http.NewCrossOriginProtection().Handler(mux)
	return c
}

// page answers a request of somebody who has signed in. An error becomes a page that says it.
type page func(w http.ResponseWriter, r *http.Request, v *visit) error

// ServeHTTP answers a request.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; "+
		"img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	c.handler.ServeHTTP(w, r)
}

// known lets only those to a page who have signed in, and no form that another site has made.
func (c *Console) known(next page) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		v, err := c.visitOf(r)
		if err != nil {
			c.fail(w, r, nil, err)
			return
		}
		if v == nil {
			c.stranger(w, r)
			return
		}
		v.words = wordsFor(r)
		if r.Method == http.MethodPost && !v.sameToken(r) {
			c.fail(w, r, v, errForged)
			return
		}
		if err := next(w, r, v); err != nil {
			c.fail(w, r, v, err)
		}
	})
}

// stranger sends somebody who has not signed in to the form, or begins a session for the demo user.
func (c *Console) stranger(w http.ResponseWriter, r *http.Request) {
	next := r.URL.RequestURI()
	if r.Method != http.MethodGet {
		next = "/"
	}
	if c.options.Users != nil {
		http.Redirect(w, r, "/sign-in?next="+url.QueryEscape(next), http.StatusSeeOther)
		return
	}
	if err := c.begin(w, r, demo()); err != nil {
		c.fail(w, r, nil, err)
		return
	}
	http.Redirect(w, r, localPath(next), http.StatusSeeOther)
}

// only lets those to a page who have a role.
func (c *Console) only(role Role, next page) page {
	return func(w http.ResponseWriter, r *http.Request, v *visit) error {
		if !v.user.May(role) {
			return errRole
		}
		return next(w, r, v)
	}
}

const (
	// requestTimeout bounds reading a request and writing its answer.
	requestTimeout = 30 * time.Second
	stopTimeout    = 5 * time.Second
)

// Listen opens the listener. ErrOpen is returned when there are no users and the address is not on
// loopback.
func Listen(addr string, o Options) (*listen.Server, error) {
	if o.Users == nil && !config.Loopback(addr) {
		return nil, ErrOpen
	}
	return listen.Open(listen.Options{
		Setting: "TUMA_CONSOLE_ADDR", Addr: addr, Handler: New(o), Timeout: requestTimeout,
		Stop: stopTimeout,
	})
}

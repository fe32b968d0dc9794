package console

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"time"

	"go.uber.org/zap"

	"tuma/internal/state"
)

const (
	// stay is how long a session lasts, however much it is used.
	stay = 12 * time.Hour
	// mostTries is how many sign-ins may fail under one name within tryPeriod; then the name is locked
	// until the period ends.
	mostTries, tryPeriod = 10, 15 * time.Minute
	// cookie is the name of the cookie that holds a session's secret.
	cookie = "tuma_console"
)

// visit is a request of a person.
type visit struct {
	user    *User
	session state.Session
	id      string // Of the session.
	words   *words
}

// idOf is what the state knows a session by: a hash of the secret that the browser has.
func idOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// visitOf returns whose request it is; nil for somebody who has not signed in.
func (c *Console) visitOf(r *http.Request) (*visit, error) {
	held, err := r.Cookie(cookie)
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // No cookie is no visit.
	}
	id := idOf(held.Value)
	session, found, err := c.options.State.Session(r.Context(), id)
	if err != nil || !found {
		return nil, err
	}
	user := c.users[session.User]
	if user == nil {
		return nil, nil //nolint:nilnil // The user was taken out of the file.
	}
	return &visit{user: user, session: session, id: id}, nil
}

// begin begins a session and gives the browser its secret.
func (c *Console) begin(w http.ResponseWriter, r *http.Request, user *User) error {
	secret := rand.Text()
	session := state.Session{User: user.Name, Token: rand.Text(), Began: time.Now().UTC()}
	if err := c.options.State.KeepSession(r.Context(), idOf(secret), session, stay); err != nil {
		return err
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookie, Value: secret, Path: "/", MaxAge: int(stay.Seconds()), HttpOnly: true,
		SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil || c.options.Secure,
	})
	return nil
}

// sameToken reports whether a form carries the token of its session.
func (v *visit) sameToken(r *http.Request) bool {
	return subtle.ConstantTimeCompare([]byte(r.PostFormValue("token")), []byte(v.session.Token)) == 1
}

// showSignIn shows the form to sign in.
func (c *Console) showSignIn(w http.ResponseWriter, r *http.Request, failed string) {
	status := http.StatusOK
	if failed != "" {
		status = http.StatusUnauthorized
	}
	c.write(w, r, status, &visit{words: wordsFor(r)}, "signin", map[string]any{
		"Failed": failed, "Next": localPath(r.FormValue("next")), "User": r.PostFormValue("user"),
	})
}

// signIn takes the form.
func (c *Console) signIn(w http.ResponseWriter, r *http.Request) {
	name := r.PostFormValue("user")
	if err := state.CheckSubmitter(name); err != nil {
		c.showSignIn(w, r, "signin.wrong")
		return
	}
	tries, err := c.options.State.CountSignIn(r.Context(), name, tryPeriod)
	if err != nil {
		c.fail(w, r, nil, err)
		return
	}
	if tries > mostTries {
		c.options.Log.Warn("sign-in locked", zap.String("who", name))
		c.showSignIn(w, r, "signin.locked")
		return
	}
	user := c.users.signIn(name, r.PostFormValue("password"))
	if user == nil {
		c.options.Log.Info("sign-in refused", zap.String("who", name))
		c.showSignIn(w, r, "signin.wrong")
		return
	}
	if err = c.options.State.ForgetSignIns(r.Context(), name); err == nil {
		err = c.begin(w, r, user)
	}
	if err != nil {
		c.fail(w, r, nil, err)
		return
	}
	http.Redirect(w, r, localPath(r.PostFormValue("next")), http.StatusSeeOther)
}

// signOut ends the session, in the state too: a copy of the cookie is worth nothing after it.
func (c *Console) signOut(w http.ResponseWriter, r *http.Request, v *visit) error {
	if err := c.options.State.DropSession(r.Context(), v.id); err != nil {
		return err
	}
	http.SetCookie(w, &http.Cookie{Name: cookie, Path: "/", MaxAge: -1, HttpOnly: true})
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
	return nil
}

// localPath is a path of this console, the first page for anything else.
func localPath(path string) string {
	if len(path) < 2 || path[0] != '/' || path[1] == '/' || path[1] == '\\' {
		return "/"
	}
	return path
}

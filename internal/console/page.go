package console

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// Errors that a page says.
var (
	errNotFound = errors.New("there is no such page")
	errForged   = errors.New("the form is not one of this session")
	errRole     = errors.New("the role for it is missing")
)

//go:embed templates
var templateFiles embed.FS

// templates are the pages, each with the frame around it.
var templates = func() map[string]*template.Template {
	all := map[string]*template.Template{}
	frame := template.Must(template.ParseFS(templateFiles, "templates/frame.html"))
	files, err := templateFiles.ReadDir("templates")
	if err != nil {
		panic(err) // The folder is embedded.
	}
	for _, file := range files {
		name := strings.TrimSuffix(file.Name(), ".html")
		if name == "frame" {
			continue
		}
		page := template.Must(frame.Clone())
		all[name] = template.Must(page.ParseFS(templateFiles, "templates/"+file.Name()))
	}
	return all
}()

// view is what a template reads.
type view struct {
	*visit
	console *Console
	// Page is the name of the template, Path that of the request with its question.
	Page, Path string
	Data       map[string]any
}

// Pages are those that the frame leads to.
func (v *view) Pages() []struct{ Name, Path string } {
	return []struct{ Name, Path string }{
		{"overview", "/"},
		{"imports", "/imports"},
		{"holds", "/holds"},
		{"review", "/review"},
		{"channels", "/channels"},
		{"audit", "/audit"},
	}
}

// Live says that the page shows what moves.
func (v *view) Live() bool {
	return slices.Contains([]string{"overview", "name", "channels"}, v.Page)
}

// Pair hands the view to a part of a page beside what it shows.
func (v *view) Pair(of any) []any { return []any{v, of} }

// T returns a text of the page's language.
func (v *view) T(key string) string { return v.words.of(key) }

// Language is that of the page.
func (v *view) Language() string { return v.words.Language }

// User is who looks; empty before signing in.
func (v *view) User() string {
	if v.user == nil {
		return ""
	}
	return v.user.Name
}

// Demo says that there is no file of users.
func (v *view) Demo() bool { return v.console.options.Users == nil }

// May says whether who looks has a role.
func (v *view) May(role string) bool { return v.user != nil && v.user.May(Role(role)) }

// Token is what forms carry.
func (v *view) Token() string { return v.session.Token }

// At writes an instant in the time zone of the settings; nothing for none.
func (v *view) At(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.In(v.console.options.Timezone).Format("2 Jan 2006 15:04:05 MST")
}

// Number writes a count with commas.
func (v *view) Number(n any) string {
	switch n := n.(type) {
	case int:
		return grouped(strconv.Itoa(n))
	case int64:
		return grouped(strconv.FormatInt(n, 10))
	}
	return "?"
}

// Money writes an amount: KES 1,234.50.
func (v *view) Money(m airtime.Money) string {
	return string(m.Currency) + " " + grouped(airtime.FormatMinor(m.Minor, m.Currency))
}

// Sums writes sums per currency.
func (v *view) Sums(minor map[airtime.Currency]int64) string {
	var parts []string
	for _, c := range slices.Sorted(maps.Keys(minor)) {
		parts = append(parts, v.Money(airtime.Money{Minor: minor[c], Currency: c}))
	}
	return strings.Join(parts, ", ")
}

// Link is the path of the page about a name.
func (v *view) Link(kind state.Kind, name string) string {
	return (&url.URL{Path: "/" + string(kind) + "s/" + name}).EscapedPath()
}

// Recipient is the path of the page about a recipient.
func (v *view) Recipient(r state.Row) string {
	return (&url.URL{Path: "/recipients/" + r.Reference + "/" + r.Phone.Digits()}).EscapedPath()
}

// Member is the same of a member of a batch.
func (v *view) Member(m state.Member) string {
	return v.Recipient(state.Row{Reference: m.Reference, Phone: m.Phone})
}

// grouped puts commas between thousands.
func grouped(number string) string {
	whole, fraction, found := strings.Cut(number, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	var parts []string
	for len(whole) > 3 {
		parts = append(parts, whole[len(whole)-3:])
		whole = whole[:len(whole)-3]
	}
	parts = append(parts, whole)
	slices.Reverse(parts)
	text := sign + strings.Join(parts, ",")
	if found {
		text += "." + fraction
	}
	return text
}

// show writes a page.
func (c *Console) show(
	w http.ResponseWriter, r *http.Request, v *visit, name string, data map[string]any,
) error {
	c.write(w, r, http.StatusOK, v, name, data)
	return nil
}

// write writes a page with a status. It is made whole before the first byte is sent, so that an
// error never cuts it off.
func (c *Console) write(
	w http.ResponseWriter, r *http.Request, status int, v *visit, name string, data map[string]any,
) {
	var text bytes.Buffer
	err := templates[name].ExecuteTemplate(&text, "frame.html", &view{
		visit: v, console: c, Page: name, Path: r.URL.RequestURI(), Data: data,
	})
	if err != nil {
		c.options.Log.Error("page not written", zap.String("path", r.URL.Path), zap.Error(err))
		http.Error(w, "this page could not be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(text.Bytes()) // The browser may have gone.
}

// fail says on a page what went wrong.
func (c *Console) fail(w http.ResponseWriter, r *http.Request, v *visit, err error) {
	if v == nil {
		v = &visit{words: wordsFor(r)}
	}
	status, key := http.StatusInternalServerError, "error.internal"
	for _, known := range []struct {
		err    error
		status int
		key    string
	}{
		{errNotFound, http.StatusNotFound, "error.page"},
		{state.ErrNotFound, http.StatusNotFound, "error.name"},
		{errForged, http.StatusForbidden, "error.forged"},
		{errRole, http.StatusForbidden, "error.role"},
		{state.ErrOwnApproval, http.StatusForbidden, "error.own"},
		{state.ErrMoved, http.StatusConflict, "error.moved"},
		{state.ErrNothingHeld, http.StatusConflict, "error.nothing_held"},
		{state.ErrDigestNeeded, http.StatusBadRequest, "error.digest"},
		{errQuestion, http.StatusBadRequest, "error.question"},
		{errDecided, http.StatusNotFound, "error.decided"},
		{errEvidence, http.StatusBadRequest, "error.evidence"},
		{state.ErrEarly, http.StatusConflict, "error.early"},
	} {
		if errors.Is(err, known.err) {
			status, key = known.status, known.key
			break
		}
	}
	if status == http.StatusInternalServerError {
		c.options.Log.Error("page failed", zap.String("path", r.URL.Path), zap.Error(err))
	}
	c.write(w, r, status, v, "error", map[string]any{"Text": key})
}

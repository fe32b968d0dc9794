package console

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// statusCount is how many recipients, and how much money, stand in one status.
type statusCount struct {
	Status     string
	Recipients int64
	Amounts    map[airtime.Currency]int64
	Share      int // Of all, in percent.
}

// byStatus sums up a book by status, in the order in which recipients pass them.
func byStatus(book map[string]int64) []statusCount {
	sums := map[string]*statusCount{}
	for name, figure := range book {
		words := strings.Fields(name)
		if len(words) < 3 || words[2] == "requested" {
			continue
		}
		of := sums[words[2]]
		if of == nil {
			of = &statusCount{Status: words[2], Amounts: map[airtime.Currency]int64{}}
			sums[words[2]] = of
		}
		switch {
		case len(words) == 3:
			of.Recipients += figure
		case words[3] == "minor":
			of.Amounts[airtime.Currency(words[1])] += figure
		}
	}
	var list []statusCount
	var all int64
	for _, status := range airtime.Statuses() {
		if of := sums[status.String()]; of != nil && of.Recipients > 0 {
			list = append(list, *of)
			all += of.Recipients
		}
	}
	for i := range list {
		list[i].Share = int((100*list[i].Recipients + all/2) / all)
	}
	return list
}

// waiting is what waits for a person.
type waiting struct {
	Words, Path string
	Count       int64
}

// overview is today at a glance.
func (c *Console) overview(w http.ResponseWriter, r *http.Request, v *visit) error {
	stats, err := c.options.State.Stats(r.Context())
	if err != nil {
		return err
	}
	counts := byStatus(stats.Book)
	var held int64
	for _, s := range counts {
		if s.Status == airtime.Held.String() {
			held = s.Recipients
		}
	}
	var list []waiting
	for _, one := range []waiting{
		{"wait.held", "/holds", held},
		{"wait.doubt", "/review", stats.Doubt},
		{"wait.overdue", "/review", stats.Overdue},
		{"wait.overpaid", "/review", stats.Overpaid},
		{"wait.mismatched", "/review", stats.Mismatched},
	} {
		if one.Count > 0 {
			list = append(list, one)
		}
	}
	return c.show(w, r, v, "overview", map[string]any{
		"Statuses": counts, "Waiting": list, "Channels": stats.Channels, "Fenced": stats.Fenced,
	})
}

// channels shows what waits at each provider, and why nothing is sent.
func (c *Console) channels(w http.ResponseWriter, r *http.Request, v *visit) error {
	stats, err := c.options.State.Stats(r.Context())
	if err != nil {
		return err
	}
	slices.SortFunc(stats.Channels, func(a, b state.Channel) int {
		return cmp.Compare(a.Provider, b.Provider)
	})
	return c.show(w, r, v, "channels", map[string]any{"Channels": stats.Channels})
}

// provider is the one that a form names.
func (c *Console) provider(r *http.Request) (string, error) {
	name := r.PostFormValue("provider")
	if !slices.Contains(c.options.Providers, name) {
		return "", errQuestion
	}
	return name, nil
}

// pause pauses a channel until a person resumes it.
func (c *Console) pause(w http.ResponseWriter, r *http.Request, v *visit) error {
	name, err := c.provider(r)
	if err != nil {
		return err
	}
	_, _, err = c.options.State.PauseChannel(r.Context(), name, v.user.Name, r.PostFormValue("note"))
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/channels", http.StatusSeeOther)
	return nil
}

// resume ends such a pause.
func (c *Console) resume(w http.ResponseWriter, r *http.Request, v *visit) error {
	name, err := c.provider(r)
	if err != nil {
		return err
	}
	_, wakeup, err := c.options.State.ResumeChannel(r.Context(), name, v.user.Name,
		r.PostFormValue("note"))
	if err != nil {
		return err
	}
	if wakeup != nil {
		c.options.Wake(r.Context(), wakeup)
	}
	http.Redirect(w, r, "/channels", http.StatusSeeOther)
	return nil
}

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

// byStatus lists totals in the order in which recipients pass the statuses.
func byStatus(totals map[airtime.Status]state.Totals) []statusCount {
	var list []statusCount
	var all int64
	for _, status := range airtime.Statuses() {
		if of := totals[status]; of.Recipients > 0 {
			list = append(list, statusCount{
				Status: status.String(), Recipients: of.Recipients, Amounts: of.Amounts,
			})
			all += of.Recipients
		}
	}
	for i := range list {
		list[i].Share = int((100*list[i].Recipients + all/2) / all)
	}
	return list
}

// totalsOf sums up a book by status.
func totalsOf(book map[string]int64) map[airtime.Status]state.Totals {
	statuses := map[string]airtime.Status{}
	for _, status := range airtime.Statuses() {
		statuses[status.String()] = status
	}
	totals := map[airtime.Status]state.Totals{}
	for name, figure := range book {
		words := strings.Fields(name)
		if len(words) < 3 {
			continue
		}
		status, known := statuses[words[2]]
		if !known { // What was requested is no status.
			continue
		}
		of := totals[status]
		if of.Amounts == nil {
			of.Amounts = map[airtime.Currency]int64{}
		}
		switch {
		case len(words) == 3:
			of.Recipients += figure
		case words[3] == "minor":
			of.Amounts[airtime.Currency(words[1])] += figure
		}
		totals[status] = of
	}
	return totals
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
	totals := totalsOf(stats.Book)
	var list []waiting
	for _, one := range []waiting{
		{"wait.held", "/holds", totals[airtime.Held].Recipients},
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
		"Statuses": byStatus(totals), "Waiting": list, "Channels": stats.Channels,
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

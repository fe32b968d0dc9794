package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tuma/internal/airtime"
	"tuma/internal/app"
	"tuma/internal/state"
)

// channelView is the JSON of the channel of one provider.
type channelView struct {
	Provider string `json:"provider"`
	// Queued, InDoubt and Sending count recipients, by the books; InFlight counts requests.
	Queued   int64 `json:"queued"`
	InFlight int64 `json:"in_flight"`
	InDoubt  int64 `json:"in_doubt"`
	// State is open; paused, by itself or, with the reason person, by a person; queue_paused in the
	// asynq dashboard; half_open; or unserved: no worker takes what is queued.
	State  string         `json:"state"`
	Reason airtime.Reason `json:"reason,omitempty"`
	Since  *time.Time     `json:"since,omitempty"`
	// Who and Note are of a person's pause.
	Who  string `json:"who,omitempty"`
	Note string `json:"note,omitempty"`
	// Seconds is how long a pause lasts before the next probe.
	Seconds float64 `json:"seconds,omitempty"`
	// Largest is the most recipients of a request while sizes ramp up.
	Largest int   `json:"largest,omitempty"`
	Sending int64 `json:"sending"`
}

func viewOfChannel(s *overview, c state.Channel) channelView {
	view := channelView{
		Provider: c.Provider, InFlight: c.InFlight, State: "open", Largest: c.Largest,
		Reason: c.PauseReason,
	}
	if !c.Since.IsZero() {
		view.Since = &c.Since
	}
	switch {
	case c.Manual != nil:
		view.State, view.Reason, view.Since = "paused", airtime.ReasonPerson, &c.Manual.Since
		view.Who, view.Note = c.Manual.Who, c.Manual.Note
	case c.Paused > 0:
		view.State, view.Seconds = "paused", c.Paused.Seconds()
	case s.queuePaused(c.Provider):
		view.State = "queue_paused"
	case s.unserved(c):
		view.State = "unserved"
	case c.HalfOpen:
		view.State = "half_open"
	}
	for field, figure := range s.stats.Book {
		words := strings.Fields(field)
		if len(words) != 3 || words[0] != c.Provider {
			continue
		}
		switch words[2] {
		case airtime.Queued.String():
			view.Queued += figure
		case airtime.Sending.String():
			view.Sending += figure
		case airtime.InDoubt.String():
			view.InDoubt += figure
		}
	}
	return view
}

// channels shows the channels of all providers that ever got a disbursal, or that a person paused.
func channels(cmd *cobra.Command, a *app.App, asJSON bool) error {
	s, err := readOverview(cmd.Context(), a)
	if err != nil {
		return err
	}
	views := make([]channelView, len(s.stats.Channels))
	for i, c := range s.stats.Channels {
		views[i] = viewOfChannel(s, c)
	}
	out := cmd.OutOrStdout()
	if asJSON {
		return writeJSON(out, statusOfChannels{views, viewsOfFloats(s.stats.Floats)})
	}
	at := stamps(a, out)
	if len(views) == 0 {
		fmt.Fprintln(out, "no provider has got a disbursal yet")
	} else {
		printChannels(out, views, at)
	}
	if len(s.stats.Floats) > 0 {
		printFloats(out, s.stats.Floats, at)
	}
	for _, line := range s.blockers(at) {
		fmt.Fprintln(out, line)
	}
	return nil
}

// statusOfChannels is the JSON of the status of everything.
type statusOfChannels struct {
	Channels []channelView `json:"channels"`
	Floats   []floatView   `json:"floats"`
}

func printChannels(w io.Writer, views []channelView, at func(time.Time) string) {
	t := newTable("provider", "#queued", "#in flight", "#in doubt", "channel", "since", "why")
	for _, v := range views {
		word, since, why := strings.ReplaceAll(v.State, "_", " "), "", string(v.Reason)
		switch {
		case v.Who != "":
			word += " by " + v.Who
			why = strings.TrimSuffix(why+": "+v.Note, ": ")
		case v.State == "paused":
			word += ", probe in " + seconds(time.Duration(v.Seconds*float64(time.Second)))
		}
		if v.Since != nil {
			since = at(*v.Since)
		}
		t.add(v.Provider, number(v.Queued), number(v.Sending), number(v.InDoubt), word, since, why)
	}
	t.write(w)
}

// pastView is the JSON of one provider that a recipient went to before.
type pastView struct {
	At       string         `json:"at"`
	Provider string         `json:"provider"`
	Batch    string         `json:"batch,omitempty"`
	Reason   airtime.Reason `json:"reason"`
	Message  string         `json:"message,omitempty"`
}

func pastOf(r state.Row) []pastView {
	views := make([]pastView, len(r.History))
	for i, past := range r.History {
		views[i] = pastView{
			past.At.Format(atLayout), past.Provider, past.Batch, past.Reason, past.Message,
		}
	}
	return views
}

// before says in a table where a recipient was before: " (before: NAME, network)".
func before(r state.Row) string {
	if len(r.History) == 0 {
		return ""
	}
	var parts []string
	for _, past := range r.History {
		parts = append(parts, past.Provider+", "+orUnknown(past.Reason))
	}
	return " (before: " + strings.Join(parts, "; ") + ")"
}

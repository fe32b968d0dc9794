package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"tuma/internal/app"
	"tuma/internal/cli"
	"tuma/internal/state"
)

// campaignOptions are the flags of the commands under "enqueuer campaign".
type campaignOptions struct {
	naming
	who, note string
	perSecond float64
	json, yes bool
}

func newCampaignCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "campaign",
		Short: "Pause a campaign, go on with it, or send it slowly",
		Example: `  enqueuer campaign pause rewards-november --note "the text is wrong"
  enqueuer campaign rate rewards-november --per-second 20`,
	}
	cmd.AddCommand(newCampaignPauseCommand(), newCampaignResumeCommand(), newCampaignRateCommand())
	return cmd
}

func newCampaignPauseCommand() *cobra.Command {
	var options campaignOptions
	cmd := &cobra.Command{
		Use:   "pause NAME",
		Short: "Draw nobody of a campaign for a batch until a person resumes it",
		Long: `Draw nobody of a campaign for a batch until a person resumes it, at whatever provider.
Requests on the wire are finished and recorded, and what was submitted is followed further. The
others stay queued, and what comes later is accepted and waits, too; everybody else goes on. A
campaign that nothing has used is asked about first, since that is mostly a misspelt one. The pause
is kept with who, when and note, and shown by enqueuer status.`,
		Example: `  enqueuer campaign pause rewards-november --note "the text is wrong"`,
		RunE:    options.run(pauseCampaign),
	}
	options.addTo(cmd)
	addYes(cmd, &options.yes)
	return cmd
}

func newCampaignResumeCommand() *cobra.Command {
	var options campaignOptions
	cmd := &cobra.Command{
		Use:   "resume NAME",
		Short: "End a person's pause of a campaign",
		Long: `End a person's pause of a campaign. Who waited for that goes behind those who are
queued.`,
		Example: `  enqueuer campaign resume rewards-november`,
		RunE:    options.run(resumeCampaign),
	}
	options.addTo(cmd)
	return cmd
}

func newCampaignRateCommand() *cobra.Command {
	var options campaignOptions
	cmd := &cobra.Command{
		Use:   "rate NAME --per-second N",
		Short: "Draw at most so many recipients of a campaign each second",
		Long: `Draw at most so many recipients of a campaign for batches each second, at all providers
together; below one, one in so many seconds. Where fewer could be sent for a while, those of at most
two seconds go at once. 0 lifts it.`,
		Example: `  enqueuer campaign rate rewards-november --per-second 20
  enqueuer campaign rate rewards-november --per-second 0`,
		RunE: options.run(rateCampaign),
	}
	options.addTo(cmd)
	addYes(cmd, &options.yes)
	cmd.Flags().Float64Var(&options.perSecond, "per-second", 0, "recipients a second; 0 lifts it")
	return cmd
}

func (o *campaignOptions) addTo(cmd *cobra.Command) {
	o.campaign = true
	cmd.Args = cobra.ExactArgs(1)
	cmd.ValidArgsFunction = completeName(&o.naming)
	addProducerFlag(cmd, &o.producer)
	addWho(cmd, &o.who)
	cmd.Flags().StringVar(&o.note, "note", "", "why; it is kept and shown")
	cmd.Flags().BoolVar(&o.json, "json", false, "write JSON")
}

// campaignAct changes the controls of one campaign, by its name in the state, and says what that
// came to.
type campaignAct func(
	ctx context.Context, a *app.App, o *campaignOptions, name string, at func(time.Time) string,
) (changed bool, says string, err error)

// run acts on what the name stands for: of a campaign that nothing has used, on all that may come.
func (o *campaignOptions) run(act campaignAct) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if o.perSecond < 0 || o.perSecond > state.MaxRate {
			return cli.Usagef("--per-second: %s is not from 0 to %d", perSecond(o.perSecond),
				int(state.MaxRate))
		}
		if cmd.Name() == "rate" && !cmd.Flags().Changed("per-second") {
			return cli.Usagef("--per-second: missing: recipients a second, or 0 to lift the rate")
		}
		setWho(&o.who)
		return withApp(cmd.Context(), func(a *app.App) error {
			names, err := o.controlled(cmd, a, args[0])
			if err != nil {
				return err
			}
			return o.act(cmd, a, act, names)
		})
	}
}

// controlled returns the names in the state that a name stands for. To take controls away, nobody
// is asked, and nothing is missed that was set before the campaign was used.
func (o *campaignOptions) controlled(
	cmd *cobra.Command, a *app.App, name string,
) ([]string, error) {
	found, err := o.find(cmd.Context(), a.Store, name)
	unknown := errors.Is(err, state.ErrNotFound)
	if err != nil && !unknown {
		return nil, err
	}
	lifts := cmd.Name() == "resume" || cmd.Name() == "rate" && o.perSecond == 0
	if unknown && !lifts {
		question := fmt.Sprintf("Nothing has used the campaign %s. Go on?", name)
		if err := confirm(cmd, o.yes, question); err != nil {
			return nil, err
		}
	}
	if unknown {
		return o.readings(name), nil
	}
	names := []string{found.name}
	if lifts {
		names = append(names, slices.DeleteFunc(o.readings(name),
			func(reading string) bool { return reading == found.name })...)
	}
	return names, nil
}

// act acts, and shows what stands then of the first name.
func (o *campaignOptions) act(
	cmd *cobra.Command, a *app.App, act campaignAct, names []string,
) error {
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	for i, name := range names {
		changed, says, err := act(ctx, a, o, name, stamps(a, out))
		if err != nil {
			return err
		}
		if changed {
			fields := []zap.Field{
				zap.String("kind", string(state.KindCampaign)), zap.String("name", state.Shown(name)),
				zap.String("who", o.who), zap.String("note", o.note),
			}
			if cmd.Flags().Changed("per-second") {
				fields = append(fields, zap.String("per_second",
					strconv.FormatFloat(o.perSecond, 'f', -1, 64)))
			}
			personLog(a).Info("campaign "+cmd.Name()+" by a person", fields...)
		}
		if i == 0 && !o.json {
			fmt.Fprintf(out, "campaign %s %s\n", state.Shown(name), says)
		}
	}
	wakeups, err := a.Store.Drip(ctx)
	for i := range wakeups {
		a.Queues.Wake(ctx, &wakeups[i])
	}
	if err != nil || !o.json {
		return err
	}
	return writeControl(ctx, out, a.Store, names[0])
}

func pauseCampaign(
	ctx context.Context, a *app.App, o *campaignOptions, name string, at func(time.Time) string,
) (bool, string, error) {
	pause, set, err := a.Store.PauseCampaign(ctx, name, o.who, o.note)
	if err != nil {
		return false, "", err
	}
	word := "was paused before"
	if set {
		word = "is paused"
	}
	return set, fmt.Sprintf("%s %s; requests on the wire are finished, nobody else of it is sent",
		word, describePause(pause, at)), nil
}

func resumeCampaign(
	ctx context.Context, a *app.App, o *campaignOptions, name string, at func(time.Time) string,
) (bool, string, error) {
	pause, err := a.Store.ResumeCampaign(ctx, name, o.who, o.note)
	if err != nil || pause == nil {
		return false, "was not paused", err
	}
	return true, "is resumed: it was paused " + describePause(pause, at), nil
}

func rateCampaign(
	ctx context.Context, a *app.App, o *campaignOptions, name string, _ func(time.Time) string,
) (bool, string, error) {
	before, changed, err := a.Store.SetCampaignRate(ctx, name, o.perSecond, o.who, o.note)
	word := "now"
	if !changed {
		word = "as before"
	}
	return changed, fmt.Sprintf("has %s %s (before: %s)", describeRate(o.perSecond), word,
		describeRate(before)), err
}

// describeRate says how fast a campaign is sent.
func describeRate(n float64) string {
	if n == 0 {
		return "no rate of its own"
	}
	return "the rate of " + perSecond(n) + " recipients a second"
}

func perSecond(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// controlView is the JSON of what people have decided about how a campaign is sent.
type controlView struct {
	Paused    *pauseView `json:"paused,omitempty"`
	PerSecond float64    `json:"per_second,omitempty"`
}

type pauseView struct {
	Since time.Time `json:"since"`
	Who   string    `json:"who"`
	Note  string    `json:"note,omitempty"`
}

func viewOfControl(c state.CampaignControl) controlView {
	view := controlView{PerSecond: c.PerSecond}
	if c.Pause != nil {
		view.Paused = &pauseView{c.Pause.Since, c.Pause.Who, c.Pause.Note}
	}
	return view
}

// writeControl writes what stands of one campaign.
func writeControl(ctx context.Context, w io.Writer, s *state.Store, name string) error {
	controls, err := s.CampaignControls(ctx)
	if err != nil {
		return err
	}
	return writeJSON(w, struct {
		Campaign string `json:"campaign"`
		controlView
	}{state.Shown(name), viewOfControl(controls[name])})
}

// describeControl says what keeps a campaign, one line per cause.
func describeControl(name string, c state.CampaignControl, at func(time.Time) string) []string {
	var lines []string
	shown := state.Shown(name)
	if c.Pause != nil {
		lines = append(lines, fmt.Sprintf("campaign %s is paused %s; it lasts until enqueuer campaign "+
			"resume %s", shown, describePause(c.Pause, at), shown))
	}
	if c.PerSecond > 0 {
		text := fmt.Sprintf("campaign %s has %s, by %s", shown, describeRate(c.PerSecond), c.RateBy)
		if c.RateNote != "" {
			text += ": " + c.RateNote
		}
		lines = append(lines, text)
	}
	return lines
}

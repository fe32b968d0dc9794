package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"go.uber.org/zap"

	"tuma/internal/airtime"
	"tuma/internal/intake"
	"tuma/internal/state"
)

// maxReference is the longest reference that the state is given; intake.CheckReference has it too.
const maxReference = 128

// lengthFault says that a reference is too long with the producer in front of it, if it is.
func lengthFault(producer, reference string) (string, bool) {
	room := maxReference - len(state.Own(producer, "r")) + len("r")
	if len(reference) <= room {
		return "", false
	}
	fault := fmt.Sprintf("reference: longer than %d characters", room)
	if producer != "" {
		fault += fmt.Sprintf(", since it is kept as %s/… in at most %d", producer, maxReference)
	}
	return fault, true
}

// disbursalView is the body of the answer to a job that is held.
type disbursalView struct {
	Reference string `json:"reference"`
	Status    string `json:"status"`
	// DryRun says that nothing was held, and Held who would be held back, by reason.
	DryRun bool          `json:"dry_run,omitempty"`
	Held   []holdingView `json:"held,omitempty"`
	// Short are the providers that need more for the job than is left there.
	Short []shortageView `json:"short,omitempty"`
}

// shortageView says how much a provider needs, and how much is left there.
type shortageView struct {
	Provider string           `json:"provider"`
	Currency airtime.Currency `json:"currency"`
	Needed   string           `json:"needed"`
	Left     string           `json:"left"`
}

// holdingView counts who would be held for one reason.
type holdingView struct {
	Reason     airtime.Reason    `json:"reason"`
	Rule       string            `json:"rule"`
	Recipients int64             `json:"recipients"`
	Amounts    map[string]string `json:"amounts"`
}

// postDisbursal takes a job.
func (a *API) postDisbursal(r *request) answer {
	if problem := checkEncoding(r.Header); problem != "" {
		return failure(http.StatusUnsupportedMediaType, problem)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return unreadable(err)
	}
	q, err := readQuery(r.URL.RawQuery, "dry_run")
	if err != nil {
		return failure(http.StatusBadRequest, err.Error())
	}
	dry, err := q.flag("dry_run")
	if err != nil {
		return failure(http.StatusBadRequest, err.Error())
	}
	disbursal, faults := a.decode(r, body)
	if len(faults) > 0 {
		return answer{status: http.StatusUnprocessableEntity, body: errorsView{faults}}
	}
	if dry {
		return a.rehearse(r, disbursal)
	}
	return a.hold(r, &disbursal)
}

// rehearse says what would be done with a disbursal.
func (a *API) rehearse(r *request, disbursal state.Disbursal) answer {
	disbursal.Producer, disbursal.SubmittedBy = r.producer, r.producer
	ctx, cancel := context.WithTimeout(r.Context(), storeLimit)
	defer cancel()
	list := []state.Disbursal{disbursal}
	got, err := a.options.State.Rehearse(ctx, list, new(state.Rehearsal))
	if err != nil {
		return unavailable(err)
	}
	told := answerTo(got.Outcomes[0], &list[0])
	view, taken := told.body.(disbursalView)
	if !taken {
		return told
	}
	view.DryRun = true
	for _, h := range got.Held {
		amounts := map[string]string{string(h.Currency): airtime.FormatMinor(h.Minor, h.Currency)}
		view.Held = append(view.Held, holdingView{h.Reason, h.Rule, h.Recipients, amounts})
	}
	if got.Outcomes[0] == state.Accepted {
		short, err := a.options.State.Shortages(ctx, neededBy(&list[0]))
		if err != nil {
			return unavailable(err)
		}
		for _, s := range short {
			view.Short = append(view.Short, shortageView{
				s.Provider, s.Currency, airtime.FormatMinor(s.Needed, s.Currency),
				airtime.FormatMinor(s.Left(), s.Currency),
			})
		}
	}
	return answer{status: http.StatusOK, body: view}
}

// neededBy is what each provider needs for a disbursal.
func neededBy(d *state.Disbursal) map[state.FloatAccount]int64 {
	needed := map[state.FloatAccount]int64{}
	for i, to := range d.Recipients {
		provider := d.Provider
		if d.Providers != nil {
			provider = d.Providers[i]
		}
		needed[state.FloatAccount{Provider: provider, Currency: d.Currency}] += to.Amount.Minor
	}
	return needed
}

// checkEncoding says what is wrong with the encoding of a body. What its media type says is no
// matter: a body that is no job is refused as such, and many clients call every body a form.
func checkEncoding(header http.Header) string {
	if encoding := header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return "send the job without Content-Encoding"
	}
	return ""
}

// decode reads the job. Its reference may stand in the header instead, or in both alike.
func (a *API) decode(r *request, body []byte) (state.Disbursal, intake.Faults) {
	var own intake.Faults
	keys := slices.Compact(slices.Clone(r.Header.Values("Idempotency-Key")))
	if len(keys) > 1 {
		own = append(own, "Idempotency-Key: given twice")
	}
	key := strings.Join(keys, "")
	disbursal, err := intake.DecodeJobOf(body, key, a.options.Rules)
	faults := faultsOf(err)
	reference := disbursal.Reference
	if err != nil {
		if reference = writtenReference(body); reference == "" {
			reference = key
		}
	}
	if len(keys) == 1 && key != "" && key != reference {
		own = append(own, "reference: is not the Idempotency-Key; give one of them, or both alike")
	}
	if fault, long := lengthFault(r.producer, reference); long {
		faults = withoutReference(faults)
		own = append(own, fault)
	}
	if len(own) > 0 {
		faults = append(faults, disbursal.Objections...) // All are told at once.
	}
	return disbursal, append(own, faults...)
}

// writtenReference is the reference of a job that has faults, as far as it can be made out.
func writtenReference(body []byte) (reference string) {
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil || json.Unmarshal(fields["reference"], &reference) != nil {
		return ""
	}
	return reference
}

// withoutReference drops what was said about a reference of which something better can be said.
func withoutReference(faults intake.Faults) intake.Faults {
	return slices.DeleteFunc(faults, func(fault string) bool {
		return strings.HasPrefix(fault, "reference: ")
	})
}

func faultsOf(err error) intake.Faults {
	var faults intake.Faults
	if err != nil && !errors.As(err, &faults) {
		faults = intake.Faults{err.Error()}
	}
	return faults
}

// hold hands a disbursal to the state: 202 when it is new, 200 when it is known.
func (a *API) hold(r *request, disbursal *state.Disbursal) answer {
	disbursal.Producer, disbursal.SubmittedBy = r.producer, r.producer
	// A client that goes away changes nothing: what has begun is finished, and the workers told.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), storeLimit)
	defer cancel()
	list := []state.Disbursal{*disbursal}
	outcomes, err := a.options.Accept(ctx, list)
	*disbursal = list[0]
	if err != nil {
		return unavailable(err)
	}
	a.options.Log.Info("job decided", zap.String("request", r.id),
		zap.String("producer", r.producer),
		zap.String("reference", state.Shown(state.Own(r.producer, disbursal.Reference))),
		zap.Int("recipients", len(disbursal.Recipients)), zap.Stringer("outcome", outcomes[0]))
	return answerTo(outcomes[0], disbursal)
}

// answerTo says what the state made of a disbursal.
func answerTo(outcome state.Outcome, disbursal *state.Disbursal) answer {
	switch outcome {
	case state.Accepted:
		return answer{status: http.StatusAccepted, body: disbursalView{
			Reference: disbursal.Reference, Status: outcome.String(),
		}}
	case state.Same:
		return answer{
			status: http.StatusOK,
			body: disbursalView{
				Reference: disbursal.Reference, Status: state.Accepted.String(),
			},
		}
	case state.Conflict:
		return failure(http.StatusConflict, state.ErrConflict.Error())
	case state.Cancelled:
		return failure(http.StatusConflict,
			"cancelled: what comes under this reference or campaign is refused")
	case state.Refused:
		return answer{
			status: http.StatusUnprocessableEntity, body: errorsView{disbursal.Objections},
		}
	}
	return unavailable(fmt.Errorf("unexpected outcome %s", outcome))
}

// noDisbursal is the answer to a reference that the producer has not, or not any longer.
func noDisbursal() answer {
	return failure(http.StatusNotFound, "there is no disbursal of this reference, or it settled "+
		"longer ago than TUMA_RETENTION")
}

// getDisbursal shows where a disbursal of the producer stands, with every recipient.
func (a *API) getDisbursal(r *request) answer {
	own := r.PathValue("reference")
	kept := state.Own(r.producer, own)
	if intake.CheckReference(own) != nil { // It could be the name in the state of another's.
		return noDisbursal()
	}
	ctx, cancel := context.WithTimeout(r.Context(), storeLimit)
	defer cancel()
	sum, err := a.options.State.Summarize(ctx, state.KindDisbursal, kept)
	if errors.Is(err, state.ErrNotFound) {
		return noDisbursal()
	}
	if err != nil {
		return unavailable(err)
	}
	sum.Reference = own
	rows := func(each func(state.Row) error) error {
		ctx, cancel := context.WithTimeout(r.Context(), storeLimit)
		defer cancel()
		return a.options.State.Report(ctx, state.KindDisbursal, kept, func(row state.Row) error {
			row.Reference = own
			return each(row)
		})
	}
	return answer{
		status: http.StatusOK, media: "application/json",
		write: func(w io.Writer) error { return a.options.Status(w, sum, rows) },
	}
}

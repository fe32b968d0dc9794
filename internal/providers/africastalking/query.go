package africastalking

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"golang.org/x/sync/errgroup"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

const (
	maxAsking = 8  // Questions on the wire at once.
	maxCode   = 32 // Bytes kept of a word that we do not know.
)

// statuses maps the words of callbacks and queries to ours. Only Success and Failed are final. The
// provider shares its list of words with its other products and says of no other that it is the
// last one: taken for final, InsufficientBalance would have a recipient paid again whom the
// provider itself still retries. Those that tell of trouble are stuck there, asked about again and,
// when it is overdue, listed for people. A word that is not here is open, never failed or
// successful.
var statuses = map[string]airtime.Status{
	"success": airtime.Successful,
	"failed":  airtime.Failed,

	"sent":      airtime.Submitted,
	"queued":    airtime.Submitted,
	"submitted": airtime.Submitted,

	"buffered":            airtime.Processing,
	"processed":           airtime.Processing,
	"incomplete":          airtime.Processing,
	"pendingconfirmation": airtime.Processing,
	"pendingvalidation":   airtime.Processing,

	"rejected":               airtime.Jammed,
	"invalidrequest":         airtime.Jammed,
	"notsupported":           airtime.Jammed,
	"insufficientbalance":    airtime.Jammed,
	"userininvalidstate":     airtime.Jammed,
	"usernotfound":           airtime.Jammed,
	"unsupportedphonenumber": airtime.Jammed,
	"userinblacklist":        airtime.Jammed,
	"productnotfound":        airtime.Jammed,
	"internalerror":          airtime.Jammed,
}

// statusOf finds the status of a word, and the word itself, fit to be shown, where there is none.
func statusOf(word providers.Scalar, key string) (status airtime.Status, code string) {
	if status = statuses[wordOf(word)]; status == 0 {
		code = airtime.Line(providers.Clean(word.Trimmed(), key), maxCode)
	}
	return status, code
}

// foundAnswer is the answer to a question. It comes with the status alone or with data: then the
// outer status is that of the question.
type foundAnswer struct {
	Error  providers.Scalar `json:"errorMessage"`
	Status providers.Scalar `json:"status"`
	Data   *foundData       `json:"data"`
}

type foundData struct {
	Phone  providers.Scalar `json:"phoneNumber"`
	ID     providers.Scalar `json:"requestId"`
	Status providers.Scalar `json:"status"`

	Amount   providers.Scalar `json:"amount"`
	Value    providers.Scalar `json:"value"`
	Discount providers.Scalar `json:"discount"`
}

// found is what one question came to: a line, or why there is none.
type found struct {
	line      providers.RecipientStatus
	matched   bool // There is a line.
	unmatched bool // The answer is about somebody else.
	err       *providers.QueryError
}

// Query asks about each recipient, a few at a time. Whoever is not known to the provider, or whose
// answer says nothing, has no line: nothing here ever means "not sent". It ends early when the
// context does, when the provider lets us in no more (401, 403, 429) and when it cannot be
// connected to; the lines that came before are facts and are returned. A *QueryError is returned
// when there is not one line.
func (a *AfricasTalking) Query(
	ctx context.Context, question providers.Question,
) (providers.ProviderStatus, error) {
	fail := func(reason airtime.Reason, err error) (providers.ProviderStatus, error) {
		return providers.ProviderStatus{}, &providers.QueryError{
			Reason: reason, Err: fmt.Errorf("batch %s: %w", question.BatchID, err),
		}
	}
	if len(question.Recipients) == 0 {
		return fail(airtime.ReasonAccountFault, errors.New("no recipient to ask about"))
	}
	key, err := a.key()
	if err != nil {
		return fail(airtime.ReasonCredentials, err)
	}
	target, err := providers.ParseBase(a.o.BaseURL + pathFind)
	if err != nil {
		return fail(airtime.ReasonAccountFault, a.badBase(err))
	}
	answers, stopped := a.askAll(ctx, key, target, question.Recipients)
	reported := gather(answers)
	if reported.Known {
		if stopped != nil {
			reported.RetryAfter = stopped.RetryAfter
		}
		return reported, nil
	}
	why := stopped
	for i := 0; why == nil && i < len(answers); i++ {
		why = answers[i].err
	}
	if why == nil {
		return fail(airtime.ReasonUnreadable, errors.New("no answer is about the recipients asked for"))
	}
	why.Err = fmt.Errorf("batch %s: %w", question.BatchID, why.Err)
	return providers.ProviderStatus{}, why
}

// askAll asks about everybody. After the first answer that stops it, and after the end of the
// context, nothing more leaves: the client begins no request then.
func (a *AfricasTalking) askAll(
	ctx context.Context, key string, target *url.URL, recipients []providers.Asked,
) (answers []found, stopped *providers.QueryError) {
	answers = make([]found, len(recipients))
	group, asking := errgroup.WithContext(ctx)
	group.SetLimit(maxAsking)
	for i, asked := range recipients {
		group.Go(func() error {
			answer, proceed := a.ask(asking, key, target, asked)
			answers[i] = answer
			if proceed {
				return nil
			}
			return answer.err
		})
	}
	errors.As(group.Wait(), &stopped)
	return answers, stopped
}

// ask asks about one recipient; proceed is false when asking about others makes no sense.
func (a *AfricasTalking) ask(
	ctx context.Context, key string, target *url.URL, asked providers.Asked,
) (answer found, proceed bool) {
	address := *target
	address.RawQuery = "username=" + url.QueryEscape(a.o.Username) +
		"&transactionId=" + url.QueryEscape(asked.ProviderReference)
	request := (&http.Request{
		Method: http.MethodGet, URL: &address, Host: address.Host,
		Header: http.Header{"Accept": {"application/json"}},
	}).WithContext(ctx)
	request.Header.Set(headerKey, key)
	response, err := a.o.Client.Ask(ctx, request)
	if err != nil {
		reason := providers.TransportReason(err)
		answer.err = &providers.QueryError{Reason: reason, Err: err}
		// What is wrong with one answer may be wrong with that one recipient only; a connection
		// that cannot be made is the same for all.
		return answer, reason != airtime.ReasonConnect
	}
	answer = readFound(key, asked, response)
	if answer.err == nil {
		return answer, true
	}
	answer.err.RetryAfter = response.RetryAfter
	reason := answer.err.Reason
	return answer, reason != airtime.ReasonCredentials && reason != airtime.ReasonRateLimited
}

// readFound decides what the answer to one question says.
func readFound(key string, asked providers.Asked, r providers.Response) found {
	nothing := func(why string) found {
		return found{err: &providers.QueryError{
			Reason: providers.StatusReason(r.Status),
			Err:    fmt.Errorf("HTTP %d%s", r.Status, why),
		}}
	}
	if r.Truncated {
		return nothing(", body cut")
	}
	if r.Status < 200 || r.Status > 299 {
		return nothing("")
	}
	var body foundAnswer
	if err := providers.DecodeObject(r.Body, &body); err != nil {
		return nothing(" without a status")
	}
	if failed := textOrEmpty(body.Error); failed != "" {
		return nothing(": " + providers.Clean(failed, key))
	}
	word := body.Status
	if body.Data != nil {
		if !body.Data.about(asked) {
			return found{unmatched: true}
		}
		word = body.Data.Status
	}
	if textOrEmpty(word) == "" {
		return nothing(" without a status")
	}
	line := providers.RecipientStatus{Phone: asked.Phone, ProviderReference: asked.ProviderReference}
	line.Status, line.Code = statusOf(word, key)
	if data := body.Data; data != nil {
		amount := data.Amount
		if amount.Trimmed() == "" {
			amount = data.Value
		}
		line.Sums = readSums(amount, data.Discount, asked.Phone)
	}
	if line.Status == airtime.Jammed {
		line.Message = providers.Clean(word.Trimmed(), key)
	}
	return found{line: line, matched: true}
}

// about reports whether the data names nobody but whom we asked about.
func (d foundData) about(asked providers.Asked) bool {
	if id := textOrEmpty(d.ID); id != "" && id != asked.ProviderReference {
		return false
	}
	phone, ok := providers.ReadPhone(string(d.Phone))
	return !ok || asked.Phone.IsZero() || asked.Phone.Erased() || phone == asked.Phone
}

// gather collects the lines, in the order of the question.
func gather(answers []found) providers.ProviderStatus {
	var reported providers.ProviderStatus
	for _, answer := range answers {
		switch {
		case answer.matched:
			reported.Lines = append(reported.Lines, answer.line)
		case answer.unmatched:
			reported.Unmatched++
		}
	}
	reported.Known = len(reported.Lines) > 0
	return reported
}

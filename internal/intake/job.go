package intake

import (
	"strconv"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// Job is what a producer asks for, as written: nothing is checked yet.
type Job struct {
	Reference string
	Currency  string
	Provider  string
	Campaign  string
	// SubmittedBy is who answers for the job, empty for unknown.
	SubmittedBy string
	// NotBefore is when it may be sent, RFC 3339 with a zone; empty for at once.
	NotBefore string
	// Priority is high or normal; empty for what the routing rules say.
	Priority   string
	Recipients []JobRecipient

	surplus int      // Recipients beyond the most that a job holds: counted, not kept.
	broken  fieldSet // Fields that the decoder has reported already.
}

// JobRecipient is one recipient of a Job, as written.
type JobRecipient struct {
	PhoneNumber string
	Amount      string
	ID          string

	broken fieldSet
}

// Disbursal checks the job and routes it. Faults with every fault are returned when its content
// cannot be known; what today's rules have against it are the disbursal's Objections.
func (j Job) Disbursal(rules Rules) (state.Disbursal, error) {
	var faults findings
	disbursal := j.check(rules, "", &faults)
	if err := faults.err(); err != nil {
		return state.Disbursal{}, err
	}
	return disbursal, nil
}

// check appends the job's faults, each path after prefix, and returns what is right of it.
func (j Job) check(rules Rules, prefix string, faults *findings) state.Disbursal {
	if err := CheckReference(j.Reference); err != nil && !j.broken.has(jobReference) {
		faults.add(prefix+"reference", "%s", err)
	}
	if err := checkCampaign(j.Campaign); err != nil {
		faults.add(prefix+"campaign", "%s", err)
	}
	if j.SubmittedBy != "" {
		if err := state.CheckSubmitter(j.SubmittedBy); err != nil {
			faults.add(prefix+"submitted_by", "%s", err)
		}
	}
	notBefore := notBeforeOf(j.NotBefore, prefix, faults)
	route := rules.routeOf(j.Provider, j.Currency, j.Campaign, prefix, faults)
	switch count := len(j.Recipients) + j.surplus; {
	case j.broken.has(jobRecipients):
	case count == 0:
		faults.add(prefix+"recipients", "missing: a job holds at least one")
	case count > state.MaxRecipients:
		faults.add(prefix+"recipients", "%d of them; a job holds at most %d",
			count, state.MaxRecipients)
	}
	recipients := make([]airtime.Recipient, len(j.Recipients))
	for i, r := range j.Recipients {
		// The path is only built for recipients that have a fault: most have none.
		var own findings
		if !r.broken.has(recipientPhone) {
			recipients[i].Phone = route.phone(r.PhoneNumber, "", &own)
		}
		if !r.broken.has(recipientAmount) {
			recipients[i].Amount = route.amount(r.Amount, "", &own)
		}
		if !r.broken.has(recipientID) {
			recipients[i].ID = recipientIDOf(r.ID, "", &own)
		}
		rules.checkCoverage(&route, recipients[i], &own)
		if len(own.Faults) > 0 {
			faults.merge(recipientPath(prefix, i)+".", own)
		}
	}
	addRepeats(recipients, prefix, faults)
	disbursal := state.Disbursal{
		Reference: j.Reference, Given: j.Provider, Currency: route.currency, Campaign: j.Campaign,
		SubmittedBy: j.SubmittedBy, NotBefore: notBefore, Recipients: recipients,
	}
	if disbursal.Objections = faults.Faults; disbursal.Objections == nil {
		rules.assign(&disbursal, route, j.Priority)
	}
	return disbursal
}

// addRepeats reports numbers and ids that occur twice.
func addRepeats(recipients []airtime.Recipient, prefix string, faults *findings) {
	if len(recipients) < 2 {
		return
	}
	phones, ids := make(map[airtime.MSISDN]int, len(recipients)), map[string]int{}
	for i, r := range recipients {
		if before, repeated := phones[r.Phone]; repeated {
			faults.add(recipientPath(prefix, i)+".phone_number",
				"same number as recipients[%d]", before)
		} else if !r.Phone.IsZero() {
			phones[r.Phone] = i
		}
		if before, repeated := ids[r.ID]; repeated {
			faults.add(recipientPath(prefix, i)+".id", "same id as recipients[%d]", before)
		} else if r.ID != "" {
			ids[r.ID] = i
		}
	}
}

func recipientPath(prefix string, i int) string {
	return prefix + "recipients[" + strconv.Itoa(i) + "]"
}

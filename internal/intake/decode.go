package intake

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"tuma/internal/state"
)

// fieldSet is a set of fields, by their position in a list of names.
type fieldSet uint16

func (s fieldSet) has(field int) bool { return s&(1<<field) != 0 }

// The fields of a job and of a recipient, as positions in the lists below.
const (
	jobReference = iota
	jobRecipients
	jobCurrency
	jobProvider
	jobCampaign
	jobSubmittedBy
	jobNotBefore
	jobPriority
	jobList
)

const (
	recipientPhone = iota
	recipientAmount
	recipientID
)

var (
	jobFields = []string{
		"reference", "recipients", "currency", "provider", "campaign", "submitted_by", "not_before",
		"priority",
	}
	envelopeFields  = append(slices.Clone(jobFields), "jobs")
	recipientFields = []string{"phone_number", "amount", "id"}
)

// DecodeJob reads one job, checks it and routes it. Faults are returned when its content cannot be
// known: unknown or repeated fields, other types than expected, bytes after the job, a number that
// is none. What today's rules have against it are the disbursal's Objections: the state may hold it
// since other rules were in force, and who is told otherwise pays it twice.
func DecodeJob(data []byte, rules Rules) (state.Disbursal, error) {
	return decodeJob(data, "", false, rules)
}

// DecodeJobOf is DecodeJob for a job of a producer that the inlet knows: it must not say who
// submits it, and may leave its reference out, for which reference then stands.
func DecodeJobOf(data []byte, reference string, rules Rules) (state.Disbursal, error) {
	return decodeJob(data, reference, true, rules)
}

func decodeJob(
	data []byte, reference string, submitted bool, rules Rules,
) (state.Disbursal, error) {
	var faults findings
	p := newParser(data, &faults)
	p.submitted = submitted
	var job Job
	p.document(func() { job = p.job("", jobFields, nil) })
	if p.broken {
		return state.Disbursal{}, faults.Faults
	}
	if job.Reference == "" {
		job.Reference = reference
	}
	disbursal := job.check(rules, "", &faults)
	if err := faults.err(); err != nil {
		return state.Disbursal{}, err
	}
	return disbursal, nil
}

// DecodeJobs reads the payload of a disbursal:accept task: one job, or {"jobs":[…]} with at most
// 1,000 recipients altogether. The payload is taken whole or refused whole, with Faults that name
// the job ("jobs[2].reference: missing"): when rules are against one of its jobs, they are against
// all.
func DecodeJobs(data []byte, rules Rules) ([]state.Disbursal, error) {
	var faults findings
	p := newParser(data, &faults)
	var jobs []Job
	listed := false
	var single Job
	p.document(func() {
		single = p.job("", envelopeFields, func() { listed, jobs = true, p.jobs() })
	})
	if p.broken {
		return nil, faults.Faults
	}
	if !listed {
		disbursal := single.check(rules, "", &faults)
		if err := faults.err(); err != nil {
			return nil, err
		}
		return []state.Disbursal{disbursal}, nil
	}
	disbursals, total := make([]state.Disbursal, 0, len(jobs)), 0
	for i, job := range jobs {
		total += len(job.Recipients) + job.surplus
		var own findings
		disbursals = append(disbursals, job.check(rules, jobPath(i), &own))
		faults.merge("", own)
	}
	if len(jobs) == 0 && len(faults.Faults) == 0 {
		faults.add("jobs", "must be a list of at least one job")
	}
	if total > state.MaxRecipients {
		faults.add("jobs", "%d recipients altogether; at most %d", total, state.MaxRecipients)
	}
	if err := faults.err(); err != nil {
		return nil, err
	}
	for i := range disbursals {
		if len(faults.Faults) > 0 && disbursals[i].Objections == nil {
			disbursals[i].Objections = []string{
				strings.TrimSuffix(jobPath(i), ".") + ": refused with another job of the payload",
			}
		}
	}
	return disbursals, nil
}

func jobPath(i int) string { return "jobs[" + strconv.Itoa(i) + "]." }

// parser walks the tokens of one JSON document, so that every fault is found and named.
type parser struct {
	decoder *jsontext.Decoder
	faults  *findings
	broken  bool // The document is not JSON: nothing more can be read.
	text    bool // The document is valid UTF-8.
	// submitted says that the inlet knows who submits the job: it must not say so itself.
	submitted bool
	ignored   []string // Fields of the document itself that say nothing.
}

func newParser(data []byte, faults *findings) *parser {
	// A repeated name is a fault like others. What is not UTF-8 is refused before anything is read;
	// half a surrogate pair, which only an escape can write, becomes a replacement character.
	data = bytes.TrimPrefix(data, markUTF8)
	decoder := jsontext.NewDecoder(bytes.NewBuffer(data), jsontext.AllowDuplicateNames(true),
		jsontext.AllowInvalidUTF8(true))
	return &parser{decoder: decoder, faults: faults, text: utf8.Valid(data)}
}

// document reads the whole document by read, which finds the opening brace consumed.
func (p *parser) document(read func()) {
	if !p.text {
		p.fail("not valid UTF-8")
		return
	}
	if token := p.token(); p.broken || token.Kind() != '{' {
		p.fail("must be a JSON object")
		return
	}
	read()
	if p.broken {
		return
	}
	if _, err := p.decoder.ReadToken(); !errors.Is(err, io.EOF) {
		p.fail("something follows the JSON object")
	}
}

// fail gives up on the document; only the first cause is reported.
func (p *parser) fail(cause string) {
	if !p.broken {
		p.broken, p.faults.unreadable = true, true
		p.faults.append(cause)
	}
}

// token returns the next token, which holds until the next call; the document is broken when there
// is none.
func (p *parser) token() jsontext.Token {
	if p.broken {
		return jsontext.Token{}
	}
	token, err := p.decoder.ReadToken()
	if err == nil {
		return token
	}
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		p.fail("not valid JSON: it ends early, at byte " +
			strconv.FormatInt(p.decoder.InputOffset(), 10))
	case errors.As(err, &syntax):
		p.fail("not valid JSON near byte " + strconv.FormatInt(syntax.ByteOffset, 10) + ": " +
			syntax.Err.Error())
	default:
		p.fail("not valid JSON")
	}
	return jsontext.Token{}
}

// ends reports whether the object or list that is being read ends here, or cannot be read.
func (p *parser) ends() bool {
	kind := p.decoder.PeekKind()
	return p.broken || kind == '}' || kind == ']'
}

// skip reads the rest of a value whose first token is given.
func (p *parser) skip(token jsontext.Token) {
	for depth := 0; !p.broken; token = p.token() {
		switch token.Kind() {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if depth == 0 {
			return
		}
	}
}

// object reads the fields of an object whose opening brace is consumed: read is called for each
// known one, once. It returns the fields that came.
func (p *parser) object(path string, names []string, read func(field int)) (came fieldSet) {
	for !p.ends() {
		name := p.token().String()
		if p.broken {
			return came
		}
		field := slices.Index(names, name)
		switch {
		case path == "" && slices.Contains(p.ignored, name):
			p.skip(p.token())
		case field < 0:
			p.faults.add(path+shownName(name), "unknown field; known: %s",
				strings.Join(names, ", "))
			p.skip(p.token())
		case came.has(field):
			p.faults.add(path+name, "given twice")
			p.skip(p.token())
		default:
			came |= 1 << field
			read(field)
		}
	}
	p.token() // The closing brace.
	return came
}

// job reads a job whose opening brace is consumed. list reads the field "jobs" where it is known.
func (p *parser) job(path string, names []string, list func()) Job {
	var job Job
	came := p.object(path, names, func(field int) {
		ok := true
		switch field {
		case jobReference:
			job.Reference, ok = p.string(path + "reference")
		case jobRecipients:
			ok = p.list(path+"recipients", func(i int) { p.recipient(&job, path, i) })
		case jobCurrency:
			job.Currency, ok = p.string(path + "currency")
		case jobProvider:
			job.Provider, ok = p.string(path + "provider")
		case jobCampaign:
			job.Campaign, ok = p.string(path + "campaign")
		case jobSubmittedBy:
			job.SubmittedBy, ok = p.string(path + "submitted_by")
			if ok && p.submitted {
				p.faults.add(path+"submitted_by", "the producer's name stands for it: leave it out")
			}
		case jobNotBefore:
			job.NotBefore, ok = p.string(path + "not_before")
			if ok && job.NotBefore == "" {
				p.faults.add(path+"not_before", "empty: leave it out to send at once")
			}
		case jobPriority:
			job.Priority, ok = p.string(path + "priority")
			if ok && job.Priority != priorityHigh && job.Priority != priorityNormal {
				p.faults.add(path+"priority", "%s is neither high nor normal", shown(job.Priority))
			}
		case jobList:
			list()
		}
		if !ok {
			job.broken |= 1 << field
		}
	})
	if came.has(jobList) && came != 1<<jobList && list != nil {
		p.faults.add("jobs", "cannot stand beside the fields of a job")
	}
	return job
}

func (p *parser) jobs() (jobs []Job) {
	p.list("jobs", func(i int) {
		if token := p.token(); token.Kind() != '{' {
			p.faults.add("jobs["+strconv.Itoa(i)+"]", "must be an object")
			p.skip(token)
			return
		}
		job := p.job(jobPath(i), jobFields, nil)
		// Every job has a recipient, so more jobs than recipients cannot be right.
		if i <= state.MaxRecipients {
			jobs = append(jobs, job)
		}
	})
	return jobs
}

// recipient reads the recipient at index i.
func (p *parser) recipient(job *Job, path string, i int) {
	token := p.token()
	if len(job.Recipients) == state.MaxRecipients {
		job.surplus++
		p.skip(token)
		return
	}
	path = recipientPath(path, i)
	var r JobRecipient
	if token.Kind() != '{' {
		p.faults.add(path, "must be an object with phone_number and amount")
		p.skip(token)
		r.broken = 1<<recipientPhone | 1<<recipientAmount
		job.Recipients = append(job.Recipients, r)
		return
	}
	came := p.object(path+".", recipientFields, func(field int) {
		ok := true
		switch field {
		case recipientPhone:
			r.PhoneNumber, ok = p.string(path + ".phone_number")
		case recipientAmount:
			r.Amount, ok = p.decimal(path + ".amount")
		case recipientID:
			r.ID, ok = p.string(path + ".id")
		}
		if !ok {
			r.broken |= 1 << field
		}
	})
	if came.has(recipientID) && r.ID == "" && !r.broken.has(recipientID) {
		p.faults.add(path+".id", "empty: leave it out, or give 1 to %d characters", maxRecipientID)
	}
	job.Recipients = append(job.Recipients, r)
}

// list reads an array, element by element.
func (p *parser) list(path string, read func(i int)) bool {
	if token := p.token(); token.Kind() != '[' {
		p.faults.add(path, "must be a list")
		p.skip(token)
		return false
	}
	for i := 0; !p.ends(); i++ {
		read(i)
	}
	p.token() // The closing bracket.
	return true
}

// string reads a string.
func (p *parser) string(path string) (string, bool) {
	token := p.token()
	if token.Kind() == '"' {
		return token.String(), true
	}
	if !p.broken {
		p.faults.add(path, "must be a string")
		p.skip(token)
	}
	return "", false
}

// decimal reads a string or a number; the number is taken digit by digit, as it is written.
func (p *parser) decimal(path string) (string, bool) {
	token := p.token()
	if kind := token.Kind(); kind == '"' || kind == '0' {
		return token.String(), true
	}
	if !p.broken {
		p.faults.add(path, "must be a decimal string such as \"10.50\"")
		p.skip(token)
	}
	return "", false
}

// shownName shows the name of an unknown field or column without quotes where it looks like a name.
func shownName(name string) string {
	quoted := shown(name)
	if quoted != `"`+name+`"` || strings.ContainsAny(name, " :;.[]\\") || name == "" {
		return quoted
	}
	return name
}

package sandbox

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// messages go with the codes, as in the samples of the page.
var messages = map[int]string{
	codeUnprocessed:  "Airtime request not started",
	codeProcessing:   "Airtime request in progress",
	codeSuccessful:   "Airtime request processed successfully",
	codeFailed:       "Invalid phone number",
	codeJammed:       "Airtime request stuck at provider",
	codeReversed:     "Airtime reversed",
	codeRefunded:     "Funds returned",
	codeReprocessing: "Airtime request submitted for reprocessing",
	codeUndocumented: "Airtime request under review",
}

// status answers GET /v1/gw/airtime/{reference}/status: a bare list of what the callbacks say.
func (l lipad) status(r *http.Request, _ []byte, rf *requestFaults, out *bytes.Buffer) int {
	if !l.authorised(r, rf, out) {
		return http.StatusUnauthorized
	}
	reference, now := r.PathValue("reference"), l.now()
	b, known := l.book.queryReference(reference, now, time.Duration(rf.switches.SlowKnowledge))
	if !known {
		return unknownReference(out, rf, reference)
	}
	c := rf.switches.Pace.progress(b.polls, now.Sub(b.accepted))
	all := lister{drawn: rf, batch: &b, progress: c, quoted: quote(reference)}
	out.Grow(len(b.recipients) * 240)
	out.Write(all.list(out.AvailableBuffer()))
	return http.StatusOK
}

// unknownReference answers in one of the three ways that the page leaves open.
func unknownReference(out *bytes.Buffer, rf *requestFaults, reference string) int {
	switch rf.switches.UnknownReference {
	case UnknownEmpty:
		out.WriteString("[]")
	case UnknownObject:
		respond(out, rf, reference, responseUnknown, "Reference not found")
	default:
		out.WriteString(`{"error":"reference not found"}`)
		return http.StatusNotFound
	}
	return http.StatusOK
}

// lister writes one status answer. It appends by hand, as the answers are most of the simulator's
// work under load.
type lister struct {
	drawn    *requestFaults
	batch    *batch
	progress progress
	quoted   []byte // the reference as a JSON string
}

func (l *lister) list(dst []byte) []byte {
	dst = append(dst, '[')
	for i, at := range l.order() {
		if i > 0 {
			dst = append(dst, ',')
		}
		r := l.batch.recipients[at]
		code := r.outcome.visible(l.progress, l.batch.hash, r.phone)
		if l.drawn.unknownCodes && l.drawn.hits(at, len(l.batch.recipients)) {
			code = codeUndocumented
		}
		dst = l.line(dst, r, code)
	}
	return append(dst, ']')
}

// order lists the indexes of the recipients to show: all of them as sent, unless a fault is on.
func (l *lister) order() []int {
	indexes := make([]int, 0, len(l.batch.recipients))
	for at := range l.batch.recipients {
		if !l.drawn.partial || !l.drawn.hits(at, len(l.batch.recipients)) {
			indexes = append(indexes, at)
		}
	}
	if l.drawn.reorder {
		random := rand.New(rand.NewPCG(l.drawn.hash, saltMember))
		random.Shuffle(len(indexes), func(i, j int) {
			indexes[i], indexes[j] = indexes[j], indexes[i]
		})
	}
	return indexes
}

// line appends one recipient with the code that it shows.
func (l *lister) line(dst []byte, r recipient, code int) []byte {
	wrong := l.drawn.wrongTypes
	h := mix(mix(l.batch.hash, r.phone), saltIdentifier)
	dst = append(dst, `{"phone_number":`...)
	dst = quoted(dst, !wrong, func(d []byte) []byte { return strconv.AppendUint(d, r.phone, 10) })
	dst = append(dst, `,"amount":`...)
	if l.drawn.switches.Amounts == NameAsked {
		dst = quoted(dst, wrong, func(d []byte) []byte { return appendNumber(d, r.amount) })
	} else {
		dst = append(dst, l.drawn.switches.bareAmount(r.amount)...)
	}
	dst = append(dst, `,"service_status":`...)
	dst = quoted(dst, wrong, func(d []byte) []byte { return strconv.AppendInt(d, int64(code), 10) })
	dst = append(dst, `,"external_reference":`...)
	dst = append(dst, l.quoted...)
	dst = append(dst, `,"provider_reference":`...)
	if moved(code) && !wrong {
		dst = quoted(dst, true, func(d []byte) []byte {
			return strconv.AppendUint(d, 1_000_000_000+h%9_000_000_000, 10)
		})
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, `,"correlation_id":"`...)
	dst = appendLetters(dst, h)
	dst = append(dst, `","message":"`...)
	dst = append(dst, messages[code]...)
	return append(dst, `"}`...)
}

// moved says whether the network had the recipient in hand, and so has a reference of its own.
func moved(code int) bool {
	return code == codeSuccessful || code == codeReversed || code == codeRefunded
}

// quoted appends a scalar, as a string or bare.
func quoted(dst []byte, asText bool, scalar func([]byte) []byte) []byte {
	if !asText {
		return scalar(dst)
	}
	return append(scalar(append(dst, '"')), '"')
}

// appendLetters writes a correlation id in the style of the page's samples.
func appendLetters(dst []byte, h uint64) []byte {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	for range 12 {
		dst = append(dst, letters[h%32])
		h /= 32
	}
	return dst
}

// payload is the callback about one recipient: one object as in the list of a status query.
func (l lipad) payload(d *delivery) payload {
	one := lister{
		drawn: &requestFaults{switches: d.account.injector.current()}, batch: d.batch,
		quoted: quote(d.batch.reference),
	}
	return payload{path: "/lipad", body: one.line(nil, d.recipient(), d.code)}
}

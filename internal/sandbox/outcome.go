package sandbox

import "time"

// The service status codes of the page, and one that is not on it.
const (
	codeUnprocessed  = 600
	codeProcessing   = 601
	codeSuccessful   = 602
	codeFailed       = 603
	codeJammed       = 604
	codeReversed     = 605
	codeRefunded     = 606
	codeReprocessing = 607
	codeUndocumented = 699
)

// A phone number that ends in 5550 and three digits more decides its own outcome, for trials by
// hand (254715550603 fails):
//
//	5550602  succeeds              5550603  fails, unpaid
//	5550605  succeeds, then 605    5550606  succeeds, then 606
//	5550600, 5550601, 5550604, 5550607, 5550699  show that code for ever, unpaid
//	5550721  makes the whole request 721; at the other providers it is refused alone
//
// Four fixed digits before the code keep load tests on a million numbers in sequence clear of them
// wherever the last six digits are the ones that count up.
const (
	magicPrefix = 5550
	magicRefuse = 721
)

// magicCode returns the last three digits of a magic number, or 0.
func magicCode(phone uint64) uint64 {
	if phone/1000%10_000 != magicPrefix {
		return 0
	}
	return phone % 1000
}

// outcome is how a recipient will end, drawn at acceptance.
type outcome struct {
	end    uint16 // the code after the open ones
	detour uint16 // 604 or 607 on the way, or 0
	late   uint16 // 605 or 606 long after 602, or 0
	stuck  bool   // shows end from the first query and never moves
}

// pays says whether this outcome moves money: it does when the recipient is, at any moment, 602.
func (f outcome) pays() bool { return f.end == codeSuccessful }

// simple is the outcome at a provider that knows only success and failure.
func (f outcome) simple() outcome {
	f.late = 0
	if f.end == codeReversed || f.end == codeRefunded {
		f.end = codeFailed
	}
	return f
}

// drawOutcome draws the outcome of a phone number; h is the hash of seed and reference.
func (f *Faults) drawOutcome(h, phone uint64) outcome {
	h = mix(h, phone)
	if f.MagicNumbers {
		switch code := magicCode(phone); code {
		case codeSuccessful, codeFailed:
			return outcome{end: uint16(code)}
		case codeReversed, codeRefunded:
			return outcome{end: codeSuccessful, late: uint16(code)}
		case codeUnprocessed, codeProcessing, codeJammed, codeReprocessing, codeUndocumented:
			return outcome{end: uint16(code), stuck: true}
		}
	}
	drawn := outcome{end: f.Outcomes.pick(unit(mix(h, saltOutcome)))}
	switch at := unit(mix(h, saltDetour)); {
	case at < f.Jam:
		drawn.detour = codeJammed
	case at < f.Jam+f.Reprocess:
		drawn.detour = codeReprocessing
	}
	if drawn.end != codeSuccessful {
		return drawn
	}
	switch at := unit(mix(h, saltLate)); {
	case at < f.LateReversal:
		drawn.late = codeReversed
	case at < f.LateReversal+f.LateRefund:
		drawn.late = codeRefunded
	}
	return drawn
}

// pick finds the code at a position in [0, 1) of the weights laid end to end.
func (w Weights) pick(at float64) uint16 {
	at *= w.Successful + w.Failed + w.Reversed + w.Refunded
	switch {
	case at < w.Successful:
		return codeSuccessful
	case at < w.Successful+w.Failed:
		return codeFailed
	case at < w.Successful+w.Failed+w.Reversed:
		return codeReversed
	case w.Refunded > 0:
		return codeRefunded
	default: // rounding put the position at the very end; the last weight that is not zero has it
		return Weights{Successful: w.Successful, Failed: w.Failed, Reversed: w.Reversed}.last()
	}
}

func (w Weights) last() uint16 {
	switch {
	case w.Reversed > 0:
		return codeReversed
	case w.Failed > 0:
		return codeFailed
	default:
		return codeSuccessful
	}
}

// progress is how far a reference has come, and the lengths of its stages, in polls or nanoseconds.
type progress struct{ at, open, detour, late int64 }

// progress reads the pace. polls counts the query that is being answered.
func (p Pace) progress(polls int, age time.Duration) progress {
	if p.By == PaceByTime {
		return progress{int64(age), int64(p.OpenFor), int64(p.DetourFor), int64(p.LateFor)}
	}
	return progress{
		int64(polls) - 1, int64(p.OpenPolls), int64(p.DetourPolls), int64(p.LatePolls),
	}
}

// visible is the code that a status query shows. phone only splits the recipients of a short open
// stage between 600 and 601, so that both are seen.
func (f outcome) visible(c progress, h, phone uint64) int {
	if f.stuck {
		return int(f.end)
	}
	if c.at < 0 {
		return codeUnprocessed
	}
	if c.at < c.open {
		if c.at*2+int64(mix(mix(h, phone), saltStart)&1) < c.open {
			return codeUnprocessed
		}
		return codeProcessing
	}
	settled := c.open
	if f.detour != 0 {
		settled += c.detour
	}
	switch {
	case c.at < settled:
		return int(f.detour)
	case f.late != 0 && c.at >= settled+c.late:
		return int(f.late)
	default:
		return int(f.end)
	}
}

package sandbox

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Limits of the switches: they keep a mistyped value from stopping a test run for hours.
const (
	durationMax = 24 * time.Hour
	delayMax    = 10 * time.Minute
	countMax    = 1_000_000
)

// namedChance is a switch and its name in JSON.
type namedChance struct {
	name   string
	chance *Chance
}

// Names of the faults as JSON, the counters and the code use them.
const (
	hangBefore   = "hang_before"
	lostBefore   = "lost_before"
	errorBefore  = "error_before"
	tooMany      = "too_many"
	redirect     = "redirect"
	hangAfter    = "hang_after"
	lostAfter    = "lost_after"
	errorAfter   = "error_after"
	brokenJSON   = "broken_json"
	cutBody      = "cut_body"
	wrongTypes   = "wrong_types"
	expireToken  = "expire_token"
	partialList  = "partial"
	unknownCodes = "unknown_codes"
	reorder      = "reorder"
	missingLines = "missing_lines"
	duplicate    = "duplicate"
	lose         = "lose"
	early        = "early"
	asForm       = "form"
)

// before lists the faults that prevent processing, in the order in which they are drawn.
func (c *CallFaults) before() []namedChance {
	return []namedChance{
		{hangBefore, &c.HangBefore},
		{lostBefore, &c.LostBefore},
		{errorBefore, &c.ErrorBefore},
		{tooMany, &c.TooMany},
		{redirect, &c.Redirect},
	}
}

// after lists the faults that spoil the answer to a processed request.
func (c *CallFaults) after() []namedChance {
	return []namedChance{
		{hangAfter, &c.HangAfter},
		{lostAfter, &c.LostAfter},
		{errorAfter, &c.ErrorAfter},
		{brokenJSON, &c.BrokenJSON},
		{cutBody, &c.CutBody},
	}
}

func (c *CallFaults) chances() []namedChance {
	all := slices.Concat(c.before(), c.after())
	return append(all, namedChance{wrongTypes, &c.WrongTypes})
}

// problems collects what is wrong, so that all of it is shown at once.
type problems []error

func (p *problems) addf(format string, args ...any) {
	*p = append(*p, fmt.Errorf(format, args...))
}

func (p *problems) chance(name string, c Chance) {
	p.probability(name, c.Probability)
	if c.Next < 0 || c.Next > countMax {
		p.addf("%s.next: want 0 to %d, not %d", name, countMax, c.Next)
	}
}

func (p *problems) probability(name string, value float64) {
	if !(value >= 0 && value <= 1) { // written so that NaN fails too
		p.addf("%s: want a probability from 0 to 1, not %v", name, value)
	}
}

func (p *problems) duration(name string, d Duration, limit time.Duration) {
	if d < 0 || time.Duration(d) > limit {
		p.addf("%s: want 0s to %s, not %s", name, limit, time.Duration(d))
	}
}

func (p *problems) oneOf(name, value string, choices ...string) {
	if !slices.Contains(choices, value) {
		p.addf("%s: want one of %s, not %q", name, strings.Join(choices, ", "), value)
	}
}

func (p *problems) call(name string, c CallFaults) {
	p.duration(name+".latency", c.Latency, delayMax)
	p.duration(name+".jitter", c.Jitter, delayMax)
	p.duration(name+".hang_limit", c.HangLimit, delayMax)
	p.duration(name+".retry_after", c.RetryAfter, durationMax)
	for _, one := range c.chances() {
		p.chance(name+"."+one.name, *one.chance)
	}
}

// Validate returns all that is wrong, one joined error per field, each beginning with the field's
// name in JSON, or nil.
func (f *Faults) Validate() error {
	var p problems
	p.call("auth", f.Auth)
	p.call("send", f.Send.CallFaults)
	p.call("status", f.Status.CallFaults)
	p.chance("send."+expireToken, f.Send.ExpireToken)
	p.chance("status."+expireToken, f.Status.ExpireToken)
	p.chance("status."+partialList, f.Status.Partial)
	p.chance("status."+unknownCodes, f.Status.UnknownCodes)
	p.chance("status."+reorder, f.Status.Reorder)
	p.oneOf("repeat", f.Repeat, RepeatReject, RepeatReplay, RepeatPay)
	p.oneOf("unknown_reference", f.UnknownReference,
		UnknownNotFound, UnknownEmpty, UnknownObject)
	p.duration("slow_knowledge", f.SlowKnowledge, durationMax)
	p.duration("expires_in", f.ExpiresIn, durationMax)
	if time.Duration(f.ExpiresIn) < time.Second {
		p.addf("expires_in: want at least 1s, not %s", time.Duration(f.ExpiresIn))
	}
	p.duration("token_life", f.TokenLife, durationMax)
	if strings.Trim(f.RefuseSuffix, "0123456789") != "" || len(f.RefuseSuffix) > phoneDigits {
		p.addf("refuse_suffix: want at most %d digits, not %q", phoneDigits, f.RefuseSuffix)
	}
	p.oneOf("http_accepted", fmt.Sprint(f.HTTPAccepted), "200", "201", "202", "400")
	p.oneOf("http_refused", fmt.Sprint(f.HTTPRefused), "200", "201", "202", "400")
	p.probability("jam", f.Jam)
	p.probability("reprocess", f.Reprocess)
	p.probability("jam and reprocess together", f.Jam+f.Reprocess)
	p.probability("late_reversal", f.LateReversal)
	p.probability("late_refund", f.LateRefund)
	p.probability("late_reversal and late_refund together", f.LateReversal+f.LateRefund)
	p.weights(f.Outcomes)
	p.pace(f.Pace)
	p.duration("repeat_window", f.RepeatWindow, durationMax)
	p.oneOf("query_shape", f.QueryShape, QueryStatus, QueryData)
	p.oneOf("unknown_id", f.UnknownID, UnknownIDNotFound, UnknownIDText, UnknownIDError)
	if _, err := parseCents(f.Balance); f.Balance != "" && err != nil {
		p.addf("balance: want a decimal with at most two decimals, or nothing, not %q", f.Balance)
	}
	p.oneOf("amounts", f.Amounts, NameAsked, NameOther, NameMalformed)
	p.oneOf("discounts", f.Discounts, DiscountDocumented, DiscountGiven, DiscountMalformed)
	p.chance(missingLines, f.MissingLines)
	p.callbacks(f.Callbacks)
	return errors.Join(p...)
}

func (p *problems) callbacks(c CallbackFaults) {
	p.chance("callbacks."+duplicate, c.Duplicate)
	p.chance("callbacks."+lose, c.Lose)
	p.chance("callbacks."+early, c.Early)
	p.chance("callbacks."+asForm, c.Form)
	p.duration("callbacks.delay", c.Delay, delayMax)
	p.duration("callbacks.jitter", c.Jitter, delayMax)
}

func (p *problems) weights(w Weights) {
	sum := 0.0
	for _, one := range []struct {
		name   string
		weight float64
	}{
		{"successful", w.Successful},
		{"failed", w.Failed},
		{"reversed", w.Reversed},
		{"refunded", w.Refunded},
	} {
		if !(one.weight >= 0) || math.IsInf(one.weight, 1) {
			p.addf("outcomes.%s: want a weight of 0 or more, not %v", one.name, one.weight)
		}
		sum += one.weight
	}
	if sum == 0 {
		p.addf("outcomes: want at least one weight above 0")
	}
}

func (p *problems) pace(pace Pace) {
	p.oneOf("pace.by", pace.By, PaceByPolls, PaceByTime)
	for _, one := range []struct {
		name  string
		polls int
	}{
		{"open_polls", pace.OpenPolls},
		{"detour_polls", pace.DetourPolls},
		{"late_polls", pace.LatePolls},
	} {
		if one.polls < 0 || one.polls > countMax {
			p.addf("pace.%s: want 0 to %d, not %d", one.name, countMax, one.polls)
		}
	}
	p.duration("pace.open_for", pace.OpenFor, durationMax)
	p.duration("pace.detour_for", pace.DetourFor, durationMax)
	p.duration("pace.late_for", pace.LateFor, durationMax)
}

package state_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tuma/internal/state"
)

// mutation is a deliberate break of one line of a script, or of what the scripts share.
type mutation struct {
	verb     string // Empty where every script has the line.
	old, new string
}

// edit breaks the scripts, and counts the lines that it found to break.
func (m mutation) edit(broken *int) state.ScriptEdit {
	return func(verb, text string) string {
		if m.verb != "" && m.verb != verb {
			return text
		}
		*broken += strings.Count(text, m.old)
		return strings.Replace(text, m.old, m.new, 1)
	}
}

// mutations are what a careless change could do, one disaster each.
var mutations = map[string]mutation{
	"claim takes who is not queued": {
		"claim", "if run[3] == 'q' and run[4] == place then look", "if true then look",
	},
	"claim takes numbers in doubt": {
		"claim", "local doubt = redis.call('EXISTS', key('doubtphones', provider)) == 1",
		"local doubt = false",
	},
	"claim takes a number twice": {
		"claim", "if seen[phone] or blocked then", "if blocked then",
	},
	"claim exceeds the slots": {
		"claim", "if redis.call('ZCARD', out) >= slots then", "if false then",
	},
	"claim forgets its token": {
		"claim", "if redis.call('HGET', key('batch', id), 'holder') == token then", "if false then",
	},
	"begin does not look at the state": {
		"begin", "if b.state ~= 'claimed' or b.holder ~= token or b.attempt ~= attempt - 1 then",
		"if false then",
	},
	"begin sends who was paid meanwhile": {
		"begin", "if not whole then", "if false then",
	},
	"record returns on the second attempt": {
		"record", "local first = attempt == 1", "local first = true",
	},
	"record returns what is unknown": {
		"record", "elseif v.verdict == 'unsent' and first then",
		"elseif v.verdict ~= 'rejected' and first then",
	},
	"record of an older attempt counts": {
		"record", "local stale = attempt < b.attempt or (b.state == 'returned' and " +
			"attempt == b.attempt)", "local stale = false",
	},
	"record of an older attempt frees the slot": {
		"record", "allow_oom()\nlocal b", "redis.call('ZREM', key('slots', provider), id)\nlocal b",
	},
	"record is not told when repeated": {
		"record", "if b.recorded == attempt then", "if false then",
	},
	"record keeps the slot": {
		"record", "redis.call('ZREM', key('slots', provider), id)", "",
	},
	"rank is ignored": {
		"", "return rank > had or (newer and old ~= status)", "return old ~= status",
	},
	"effects on earlier batches are ignored": {
		"", "if rank < STATUS.a.rank then return 0, 0 end", "if true then return 0, 0 end",
	},
	"overpaid is not listed": {
		"", "return redis.call('SADD', key('overpaid'), field)", "return 1",
	},
	"results are published twice": {
		"", "publish(d, pos, provider, status, place, corrects, reason, reference, message)",
		"for _ = 1, 2 do publish(d, pos, provider, status, place, corrects, reason, " +
			"reference, message) end",
	},
	"results are not published": {
		"", "if old ~= status and (settles or corrects) then",
		"if old ~= status and settles then",
	},
	"the cancel mark is ignored": {
		"", "return marks[1] and true", "return marks[1] and false",
	},
	"the cancel mark of a campaign is ignored": {
		"", "or (campaign ~= '' and marks[3] and true) or false", "or false",
	},
	"who is given back is not pending": {
		"", "push_pending(d, first, last, place, head)\n    end", "end",
	},
	"who is given back is booked twice": {
		"", "move(d, before, old, after, status, count, sum_of(d, from, to), units_in(d, from, to))",
		"for _ = 1, status == 'q' and 2 or 1 do move(d, before, old, after, status, count, 1, 0) end",
	},
	"numbers stay in doubt": {
		"", "if old == 'd' then mark_doubt(d, before, from, to, -1) end", "",
	},
	"sweep returns what was sent": {
		"sweep", "elseif b.state == 'sending' then",
		"elseif b.state == 'sending' then requeue_batch(b) b.state = 'claimed' unclaim(b) " +
			"elseif b.state == 'sending' then",
	},
	"sweep leaves what was claimed": {
		"sweep", "unclaim(b)\n    returned", "returned",
	},
	"who was blocked is lost": {
		"", "redis.call('RPUSH', key('pending', provider), entry)", "",
	},
	"not known resends at once": {
		"resolveunknown", "if asked_at < free then return ask", "if false then return ask",
	},
	"not known resends before the guard": {
		"resolveunknown", "if b.refused == 0 then since = math.max(", "if false then since = math.max(",
	},
	"halves lose a member": {
		"", "list[#list + 1] = {slice[1], from, to}",
		"list[#list + 1] = {slice[1], from, skip == 0 and from < to and to - 1 or to}",
	},
	"halves keep the cancelled": {
		"", "  withhold(b, status)\n", "",
	},
	"who was refused alone goes with others": {
		"claim", "if since and count > 0 then -- It goes alone.", "if false then",
	},
	"nobody put aside goes again": {
		"", "redis.call('RPUSH', key('pending', provider), entry)\n    entry", "entry",
	},
	"an acceptance before the refusal counts": {
		"", "of_channel(b.provider, 'accepted_at') > since_refused(b)",
		"of_channel(b.provider, 'accepted_at') > 0",
	},
	"a person may decide what has moved": {
		"resolve", "if status ~= seen or not open_to_people(d, pos) then return 'status' end", "",
	},
	"a person's word is about any batch": {
		"resolve", "if (is_batch(place) and place or '') ~= batch_seen then return 'batch' end", "",
	},
	"a person's word is about any attempt": {
		"resolve", "if b and b.attempt ~= tonumber(attempt) then return 'attempt' end", "",
	},
	"accept takes a reference twice": {
		"accept", "if known then return known == new.digest and 'same' or 'conflict' end", "",
	},
	"accept takes other content": {
		"accept", "return known == new.digest and 'same' or 'conflict'", "return 'same'",
	},
	"who is reopened is not asked about": {
		"", "redis.call('ZADD', key('due'), was == 'done' and 'LT' or 'NX', now + first_query(b), " +
			"b.id)", "",
	},
	"what is requested stays behind": {
		"", "if before ~= after then\n        add", "if false then\n        add",
	},
	"who is handed on stays": {
		"", "queue_at(d, from, to, next, false)", "queue_at(d, from, to, provider, false)",
	},
	"who is handed on has no history": {
		"", "if d.history and #d.history > 0 then", "if false then",
	},
	"a refusal goes on from a second sending": {
		"record", "v.next ~= '' and first and not", "v.next ~= '' and not",
	},
	"who was refused is rerouted back": {
		"reroute", "if pos > to or was_at(d, pos, next) then", "if pos > to then",
	},
	"live entries are trimmed": {
		"stranded", "if not live and stale == at - 1 then stale = at end", "stale = at",
	},
	"unclear lines are no storm": {
		"record", "if v.verdict == 'unknown' then unclear",
		"if v.verdict == 'unknown' and not exceptional then unclear",
	},
	"reroute takes who is elsewhere": {
		"reroute", "and run[5] == provider and", "and",
	},
	"reroute empties open channels": {
		"reroute", "if paused_for(provider) <= 0 or stopped(provider) then return {0, {}} end", "",
	},
	"who was named is stranded": {
		"stranded", "if d.given == '' then", "if true then",
	},
	"stale entries are stranded": {
		"stranded", "if run[3] == 'q' and run[4] == place then", "if true then",
	},
	"a probe is of full size": {
		"", "if half_open(provider) or of_channel(provider, 'careful') > 0 then return 1 end", "",
	},
	"two probes at once": {
		"claim", "if half_open(provider) and redis.call('ZCARD', out) > 0 then", "if false then",
	},
	"a half-open channel never closes": {
		"", "redis.call('HDEL', key('channel', provider), 'half_open', 'paused_since')", "",
	},
	"an earlier request ends the pause": {
		"", "if paused_for(provider) > 0 then return end", "",
	},
	"an earlier attempt is news": {
		"record", "if stale then\n  -- ", "if false then\n  -- ",
	},
	"somebody is called while a probe is out": {
		"", "or (out > 0 and half_open(provider))", "",
	},
	"the rate is not charged": {
		"claim", "charge(provider, tokens)\n  redis", "redis",
	},
	"somebody is called without a token": {
		"", "or (tokens or 1) < 1 then return 0 end", "then return 0 end",
	},
	"the ramp is never reset": {
		"", "if traits(provider).ramps_up then redis.call('HDEL'", "if false then redis.call('HDEL'",
	},
	"batches ramp up by doubts": {
		"record", "if counts.doubt > 0 and whole.reason ~= 'duplicate' then\n" +
			"  reset_ramp(provider)\nelseif", "if",
	},
}

// runsPerMutation bounds how many random runs may pass until a mutation must have been noticed. The
// runs begin at a seed that is known to notice it, so that mostly one is enough; when verbs or the
// generator change, one of the next ones does.
const runsPerMutation = 1500

// seeds are those of runs that notice a mutation.
var seeds = map[string]int{
	"a person may decide what has moved":        46,
	"a person's word is about any attempt":      5,
	"a person's word is about any batch":        9,
	"a probe is of full size":                   57,
	"a refusal goes on from a second sending":   1738,
	"accept takes other content":                10,
	"an acceptance before the refusal counts":   81,
	"an earlier attempt is news":                179,
	"an earlier request ends the pause":         747,
	"batches ramp up by doubts":                 80,
	"the ramp is never reset":                   80,
	"begin does not look at the state":          5,
	"begin sends who was paid meanwhile":        329,
	"claim exceeds the slots":                   298,
	"claim takes a number twice":                46,
	"claim takes numbers in doubt":              46,
	"claim takes who is not queued":             111,
	"effects on earlier batches are ignored":    38,
	"halves keep the cancelled":                 67,
	"halves lose a member":                      543,
	"live entries are trimmed":                  16,
	"nobody put aside goes again":               80,
	"not known resends at once":                 38,
	"not known resends before the guard":        179,
	"numbers stay in doubt":                     38,
	"overpaid is not listed":                    168,
	"a half-open channel never closes":          21,
	"rank is ignored":                           81,
	"record is not told when repeated":          5,
	"record keeps the slot":                     5,
	"record of an older attempt counts":         104,
	"record of an older attempt frees the slot": 179,
	"record returns on the second attempt":      46,
	"record returns what is unknown":            26,
	"reroute empties open channels":             329,
	"reroute takes who is elsewhere":            191,
	"results are not published":                 111,
	"results are published twice":               10,
	"somebody is called while a probe is out":   20,
	"somebody is called without a token":        2844,
	"stale entries are stranded":                168,
	"sweep leaves what was claimed":             81,
	"who was blocked is lost":                   46,
	"sweep returns what was sent":               46,
	"the cancel mark is ignored":                26,
	"the cancel mark of a campaign is ignored":  29,
	"the rate is not charged":                   2844,
	"two probes at once":                        20,
	"unclear lines are no storm":                26,
	"what is requested stays behind":            61,
	"who is given back is not pending":          8,
	"who is handed on has no history":           61,
	"who is handed on stays":                    61,
	"who is reopened is not asked about":        57,
	"who was named is stranded":                 29,
	"who was refused alone goes with others":    1126,
	"who was refused is rerouted back":          381,
}

// TestTheModelNoticesEveryBreak breaks the scripts, one line at a time, and wants the random verbs
// to notice. It is what makes their silence about the real scripts worth something.
func TestTheModelNoticesEveryBreak(t *testing.T) {
	t.Parallel()
	for name, m := range mutations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broken := 0
			run := property(t, m.edit(&broken))
			require.Positive(t, broken, "the line to break is gone: update the mutation")
			for i := range runsPerMutation {
				if what := notice(run, seeds[name]+i); what != "" {
					t.Logf("%s: seed %d: %s", name, seeds[name]+i, what)
					return
				}
			}
			t.Fatalf("nobody noticed")
		})
	}
}

// notice makes one run and returns how it failed; empty when it did not.
func notice(run func(*rapid.T), seed int) (what string) {
	rapid.Custom(func(t *rapid.T) bool {
		defer func() {
			broken := recover()
			if broken == nil {
				return
			}
			if strings.Contains(fmt.Sprintf("%T", broken), "invalid") {
				panic(broken) // Nothing could be drawn: rapid tries again.
			}
			what = fmt.Sprint(broken)
		}()
		run(t)
		return true
	}).Example(seed)
	return what
}

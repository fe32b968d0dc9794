package state_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// mutation is a deliberate break of one line of a script, or of what the scripts share.
type mutation struct {
	verb     string // Empty where every script has the line.
	old, new string
}

// mutations are what a careless change could do, one disaster each.
var mutations = map[string]mutation{
	"claim takes who is not queued": {
		"claim", "if run[3] == 'q' and run[4] == place then draw", "if true then draw",
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
	"begin does not look at the holder": {
		"begin", "or b.holder ~= token or", "or",
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
		"record", "unlock()\nlocal b", "redis.call('ZREM', key('slots', provider), id)\nlocal b",
	},
	"record is not told when repeated": {
		"record", "if b.recorded == attempt then", "if false then",
	},
	"record keeps the slot": {
		"record", "redis.call('ZREM', key('slots', provider), id)", "",
	},
	"rank is ignored": {
		"", "if rank > had or (newer and old ~= status) then", "if old ~= status then",
	},
	"effects on earlier batches are ignored": {
		"", "if rank < STATUS.a.rank then return 0, 0 end", "if true then return 0, 0 end",
	},
	"overpaid is not listed": {
		"", "return redis.call('SADD', key('overpaid'), field)", "return 1",
	},
	"results are published twice": {
		"", "publish(d, pos, status, place, STATUS[old].settled, reason, reference, message)",
		"for _ = 1, 2 do publish(d, pos, status, place, STATUS[old].settled, reason, " +
			"reference, message) end",
	},
	"results are not published": {
		"", "if old ~= status and (STATUS[status].settled or STATUS[old].settled) then",
		"if old ~= status and STATUS[status].settled then",
	},
	"the cancel mark is ignored": {
		"", "d.cancelled = marks[1] and true", "d.cancelled = marks[1] and false",
	},
	"the cancel mark of a campaign is ignored": {
		"", "or (d.campaign ~= '' and marks[3] and true) or false", "or false",
	},
	"who is given back is not pending": {
		"", "push_pending(d, from, to, place, true)", "",
	},
	"who is given back is booked twice": {
		"", "move(d, old, status, count, sum_of(d, from, to))",
		"for _ = 1, status == 'q' and 2 or 1 do move(d, old, status, count, d.sum) end",
	},
	"numbers stay in doubt": {
		"", "if old == 'd' then mark_doubt(d, from, to, -1) end", "",
	},
	"sweep returns what was sent": {
		"sweep", "elseif b.state == 'sending' then",
		"elseif b.state == 'sending' then dissolve(b) b.state = 'claimed' lay_down(b) " +
			"elseif b.state == 'sending' then",
	},
	"sweep leaves what was claimed": {
		"sweep", "lay_down(b)\n    returned", "returned",
	},
	"sweep loses the held": {
		"sweep", "redis.call('RPUSH', key('pending', provider), redis.call('LPOP', " +
			"key('held', provider)))", "redis.call('LPOP', key('held', provider))",
	},
	"not known resends at once": {
		"notknown", "if now < free then return ask", "if false then return ask",
	},
	"not known resends before the guard": {
		"notknown", "if b.refused == 0 then free = math.max(", "if false then free = math.max(",
	},
	"halves lose a member": {
		"notknown", "list[#list + 1] = {slice[1], from, to}",
		"list[#list + 1] = {slice[1], from, skip == 0 and from < to and to - 1 or to}",
	},
	"halves keep the cancelled": {
		"notknown", "if b.refused == 1 then withhold() end", "",
	},
	"a person may decide what has moved": {
		"resolve", "status ~= ARGV[i + 2] or named[name] or not open_to_people(d, pos)", "false",
	},
	"accept takes a reference twice": {
		"accept", "if known then return known == digest and 'same' or 'conflict' end", "",
	},
	"accept takes other content": {
		"accept", "return known == digest and 'same' or 'conflict'", "return 'same'",
	},
	"who is reopened is not asked about": {
		"", "redis.call('ZADD', key('due'), was == 'done' and 'LT' or 'NX', now + 1000, b.id)", "",
	},
}

// runsPerMutation bounds how many random runs may pass until a mutation must have been noticed. The
// runs begin at a seed that is known to notice it, so that mostly one is enough; when verbs or the
// generator change, one of the next ones does.
const runsPerMutation = 1500

// seeds are those of runs that notice a mutation.
var seeds = map[string]int{
	"a person may decide what has moved":        3,
	"accept takes a reference twice":            3,
	"accept takes other content":                3,
	"begin does not look at the holder":         793,
	"begin does not look at the state":          3,
	"begin sends who was paid meanwhile":        496,
	"claim exceeds the slots":                   3,
	"claim forgets its token":                   3,
	"claim takes a number twice":                3,
	"claim takes numbers in doubt":              16,
	"claim takes who is not queued":             163,
	"effects on earlier batches are ignored":    81,
	"halves keep the cancelled":                 67,
	"halves lose a member":                      15,
	"not known resends at once":                 15,
	"not known resends before the guard":        81,
	"numbers stay in doubt":                     3,
	"overpaid is not listed":                    1015,
	"rank is ignored":                           16,
	"record is not told when repeated":          3,
	"record keeps the slot":                     3,
	"record of an older attempt counts":         75,
	"record of an older attempt frees the slot": 20,
	"record returns on the second attempt":      75,
	"record returns what is unknown":            3,
	"results are not published":                 16,
	"results are published twice":               3,
	"sweep leaves what was claimed":             3,
	"sweep loses the held":                      16,
	"sweep returns what was sent":               16,
	"the cancel mark is ignored":                15,
	"the cancel mark of a campaign is ignored":  15,
	"who is given back is booked twice":         3,
	"who is given back is not pending":          3,
	"who is reopened is not asked about":        279,
}

// TestTheModelNoticesEveryBreak breaks the scripts, one line at a time, and wants the random verbs
// to notice. It is what makes their silence about the real scripts worth something.
func TestTheModelNoticesEveryBreak(t *testing.T) {
	t.Parallel()
	for name, m := range mutations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broken := 0
			run := property(t, func(verb, text string) string {
				if m.verb != "" && m.verb != verb {
					return text
				}
				broken += strings.Count(text, m.old)
				return strings.Replace(text, m.old, m.new, 1)
			})
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

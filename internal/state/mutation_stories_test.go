package state_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// storyMutations are breaks of what the random verbs do not reach, and the story that notices each.
var storyMutations = map[string]struct {
	mutation
	noticedBy story
}{
	"a refusal goes on from a second sending": {
		mutation{"record", "v.next ~= '' and first then", "v.next ~= '' then"},
		refusedOnTheSecondSending,
	},
	"the id of a refusal is not learnt": {
		mutation{"record", "for pos = from, to do note_id(d, pos, provider, id, v.reference) end", ""},
		acceptedByTheIDOfARefusal,
	},
	"the id of a doubt is not learnt": {
		mutation{"record", "note_id(d, pos, provider, id, v.reference)\n    end\n  end", "end\n  end"},
		appliedToADoubt,
	},
	"forget books all rows at one provider": {
		mutation{"forget", "local field = run[5] .. ' '", "local field = 'lipad' .. ' '"},
		forgottenSplit,
	},
	"all recipients go to the first provider": {
		mutation{"accept", "code = list[#list], codes:sub(pos, pos)",
			"code = list[#list], codes:sub(1, 1)"},
		splitDisbursal,
	},
	"a replay is charged": {
		mutation{"claim", "'holder') == token then\n",
			"'holder') == token then\n charge(provider, tokens)\n"},
		replayedClaim,
	},
	"tokens are saved without end": {
		mutation{"", "return math.min(t.burst, tonumber", "return math.min(t.burst * 9, tonumber"},
		longRest,
	},
	"a part of a batch climbs": {
		mutation{"", "n >= 10 ^ level and", ""}, smallBatchesDoNotClimb,
	},
	"silence does not fall": {
		mutation{"", "  fall(b.provider)\n", ""}, fallsBySilence,
	},
	"all climb": {
		mutation{"", "if traits(provider).climbs then most", "if true then most"}, doesNotClimb,
	},
	"resend after the window": {
		mutation{"resend", "or now > ends", ""}, resendsNotLate,
	},
	"resend within the guard": {
		mutation{"resend", "if now < free then", "if false then"}, resendsNotEarly,
	},
	"begin after the window": {
		mutation{"begin", "whole = whole and not late", ""}, beginsNotLate,
	},
	"resend of what is known": {
		mutation{"record", "if v.reason == 'duplicate' then b.known = 1 end", ""},
		duplicateLineIsKnown,
	},
	"resend of a part": {
		mutation{"", "if b.known == 1 or b.doubtful ~= b.n then", "if b.known == 1 then"},
		resendsNoPart,
	},
	"resend of the cancelled": {
		mutation{"", "if not d or withheld(d, pos) then return false end", ""}, resendsNoCancelled,
	},
	"a doubt is not scheduled for its resend": {
		mutation{"record", "schedule(b, math.max(1, b.deadline + GUARD - now))",
			"schedule(b, tonumber(ARGV[11]))"},
		resendsInTime,
	},
	"a number that is out twice is matched": {
		mutation{"callback", "if #list ~= 1 or", "if #list == 0 or"},
		phoneOutTwice,
	},
	"a person's decision is no doubt": {
		mutation{"callback", "if #list ~= 1 or decided_lately(provider, phone) then",
			"if #list ~= 1 then"},
		phoneSettledByPerson,
	},
	"a decision is not noted": {
		mutation{"resolve", "if traits(provider).callbacks then note_decision", "if false then note_decision"},
		phoneAfterResubmission,
	},
	"a decision counts for ever": {
		mutation{"", "return at and now - tonumber(at) < DAYS * DAY", "return at"}, phoneAfterPerson,
	},
	"what was kept before is matched": {
		mutation{"callback", " and b.sent <= told()", ""}, phoneBeforeSending,
	},
	"a person's word is overwritten": {
		mutation{"callback", "local b = status == 'd' and batch", "local b = batch"},
		phoneNotInDoubt,
	},
	"the amount is not looked at": {
		mutation{"callback", "d.amount[pos] == minor and", ""}, phoneWithOtherAmount,
	},
	"the currency is not looked at": {
		mutation{"callback", "and d.currency == ARGV[5]", ""}, phoneWithOtherAmount,
	},
	"another amount is not flagged": {
		mutation{"callback", "d.amount[pos] ~= minor and 1 or 0", "0"}, otherAmount,
	},
	"ids are not learnt": {
		mutation{"", "  note_id(d, pos, provider_at(place), place, reference)\n", ""}, appliedByID,
	},
	"ids are searched for today only": {
		mutation{"", "for day = today(), today() - DAYS, -1 do", "for day = today(), today() do"},
		appliedAfterSettling,
	},
	"who has settled stays on the way": {
		mutation{"", "if was and not (is and before == after) then", "if false then"},
		phoneAloneAgain,
	},
	"a kept one is not tried when its id is learnt": {
		mutation{"record", "redis.call('ZADD', key('keptdue'), 'XX'", "redis.call('EXISTS'"},
		keptUntilRecord,
	},
	"a kept one that was applied stays": {
		mutation{"callback", "drop()\nflush()", "flush()"}, keptUntilRecord,
	},
	"a kept one is lost": {
		mutation{"callback", "    if kept then\n", "    drop()\n    if false then\n"}, keptUntilDoubt,
	},
	"a kept one is handed out at once again": {
		mutation{"kept", "redis.call('ZADD', key('keptdue'), now + tonumber(ARGV[2]), name)", ""},
		keptLease,
	},
	"a worse word replaces what is kept": {
		mutation{"callback", "if old and STATUS[old].rank > STATUS[code].rank then", "if false then"},
		keptBetterWord,
	},
	"kept ones are dropped early": {
		mutation{"callback", "if age > DAYS * DAY then", "if age > DAY then"}, keptTooLong,
	},
	"kept ones are dropped in silence": {
		mutation{"callback", "redis.call('HINCRBY', KEYS[1], 'callbacks_dropped', 1)", ""},
		keptTooLong,
	},
	"what is to be confirmed is applied": {
		mutation{"callback", "if ARGV[9] ~= '1' then return keep() end", ""}, keptUntilConfirmed,
	},
	"an unknown word is kept": {
		mutation{"callback", "if code == '' then", "if code == '' and ARGV[9] == '1' then"},
		keptUnknownWord,
	},
	"every hint is a query": {
		mutation{"hint", "b.hinted + tonumber(ARGV[2])", "0"}, oneQueryForManyHints,
	},
	"hints put queries off": {
		mutation{"hint", "if due > 0 and due <= at then return 1 end", ""}, hintsPutNothingOff,
	},
	"hints use up the looks": {
		mutation{"hint", "b.later = due > 0 and due or -1", "b.later = 0"}, hintsLeaveTheLooks,
	},
	"a hint schedules what is out": {
		mutation{"hint", "if b.state ~= 'open' and", "if false and"}, hintsWhileSending,
	},
	"a payment is validated twice": {
		mutation{"validate", "if not asked(field) then", "if true then"}, validatesOnce,
	},
	"only the first of two is validated": {
		mutation{"validate", "if not asked(field) then", "if asked(field) then return 0 else"},
		validatesTwo,
	},
	"a repeated question is refused": {
		mutation{"validate", "if asked(question) then return 1 end", ""}, validatesAlike,
	},
	"any amount is validated": {
		mutation{"validate", "d.amount[pos] == tonumber(ARGV[4]) and", ""}, validatesWhatIsOut,
	},
}

// TestStoriesNoticeEveryBreak breaks the scripts, one line at a time, and wants the story that is
// about the line to notice.
func TestStoriesNoticeEveryBreak(t *testing.T) {
	t.Parallel()
	for name, m := range storyMutations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broken := 0
			complaint := hears(t, m.noticedBy, m.edit(&broken))
			require.Positive(t, broken, "the line to break is gone: update the mutation")
			require.NotEmpty(t, complaint, "nobody noticed")
			require.NotContains(t, complaint, "compiling script", "the break is no Lua")
			t.Log(complaint)
		})
	}
}

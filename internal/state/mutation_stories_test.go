package state_test

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"
)

// storyMutation is a break, and the story that notices it.
type storyMutation struct {
	mutation
	noticedBy story
}

// storyMutations are breaks of what the random verbs do not reach, and the story that notices each.
var storyMutations = map[string]storyMutation{
	"doubts stay at the provider before": {
		mutation{
			"", "if old == 'd' then mark_doubt(d, before, from",
			"if old == 'd' then mark_doubt(d, after, from",
		},
		handedOnFromADoubt,
	},
	"codes are not kept": {
		mutation{"", "  keep_codes()\n", ""}, droppedAndDecided,
	},
	"a code that only the state knows is not read": {
		mutation{"", "    NAMES[code] = name\n    if not", "    if not"}, droppedAndDecided,
	},
	"a provider that only the state knows has no index": {
		mutation{"", "callbacks = callbacks == '1'}", "callbacks = false}"}, droppedAndDecided,
	},
	"a code is given to another provider": {
		mutation{"", "if (NAMES[code] or name) ~= name or", "if"}, droppedKeepsItsCode,
	},
	"a program forgets what it does not know": {
		mutation{"", "  codes_sum = codes_of()", "  codes_of()"}, droppedIsKeptOnce,
	},
	"a person's pause lets what was claimed begin": {
		mutation{"begin", "if stopped(b.provider) then", "if false then"}, stopsBegins,
	},
	"a person's pause lets others move": {
		mutation{
			"reroute", "if paused_for(provider) <= 0 or stopped(provider) then",
			"if paused_for(provider) <= 0 then",
		}, stopsMoves,
	},
	"a person's pause is claimed through": {
		mutation{"claim", "if stopped(provider) then return", "if false then return"}, stopsClaims,
	},
	"a query that has moved is handed out by its name": {
		mutation{"handout", "if due ~= tonumber(ARGV[3]) then", "if false then"}, handedOutByName,
	},
	"a query is handed out by its name again": {
		mutation{"handout", "if b.polls ~= number - 1 then", "if false then"}, handedOutByName,
	},
	"queries are brought forward without end": {
		mutation{"handout", "b.hinted + tonumber(ARGV[5]) > now then", "false then"},
		handedOutByName,
	},
	"an answer counts from when it came": {
		mutation{"resolveunknown", "if asked_at < free then", "if now < free then"}, answeredLate,
	},
	"a refusal goes on from a second sending": {
		mutation{"record", "v.next ~= '' and first and not", "v.next ~= '' and not"},
		refusedOnTheSecondSending,
	},
	"reroute takes who is claimed": {
		mutation{"reroute", "and not is_batch(run[4]) then", "then"}, claimedStay,
	},
	"the id of a refusal is not learnt": {
		mutation{"record", "for pos = from, to do note_id(d, pos, provider, id, v.reference) end", ""},
		acceptedByTheIDOfARefusal,
	},
	"the id of an earlier sending is not learnt": {
		mutation{"", "  note_id(d, pos, b.provider, b.id, reference)\n", ""}, learntByALateAnswer,
	},
	"an earlier request ends the pause": {
		mutation{"", "if paused_for(provider) > 0 then return end", ""}, pausedWhileOthersAreOut,
	},
	"begin does not look at the holder": {
		mutation{"begin", "or b.holder ~= token or", "or"}, onlyTheHolderBegins,
	},
	"an earlier attempt is news": {
		mutation{"record", "if stale then\n  -- ", "if false then\n  -- "}, oldNews,
	},
	"the id of a doubt is not learnt": {
		mutation{"record", "note_id(d, pos, provider, id, v.reference) -- It", "-- It"},
		appliedToADoubt,
	},
	"forget books all rows at one provider": {
		mutation{"forget", "local field = run[5] .. ' '", "local field = 'lipad' .. ' '"},
		forgottenSplit,
	},
	"all recipients go to the first provider": {
		mutation{
			"accept", "go(1, new.codes:sub(i, i), tonumber(amount))",
			"go(1, new.codes:sub(1, 1), tonumber(amount))",
		},
		splitDisbursal,
	},
	"a replay is charged": {
		mutation{
			"claim", "'holder') == token then\n",
			"'holder') == token then\n charge(provider, tokens)\n",
		},
		replayedClaim,
	},
	"tokens are saved without end": {
		mutation{"", "return math.min(t.burst, tonumber", "return math.min(t.burst * 9, tonumber"},
		longRest,
	},
	"a part of a batch ramps up": {
		mutation{"", "n >= 10 ^ level and", ""}, smallBatchesDoNotRampUp,
	},
	"silence does not reset the ramp": {
		mutation{"", "  reset_ramp(b.provider)\n", ""}, silenceResetsTheRamp,
	},
	"all ramp up": {
		mutation{"", "if traits(provider).ramps_up then most", "if true then most"}, doesNotRampUp,
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
	"two ids are one payment": {
		mutation{"", "if place == b.id and not other then", "if place == b.id then"}, twoIdsArePaid,
	},
	"the first of two sendings is forgotten": {
		mutation{"begin", "if again then note_unanswered", "if false then note_unanswered"},
		oneOfTwoIdsIsPaid,
	},
	"batches grow after a refusal for one": {
		mutation{
			"", "or of_channel(provider, 'careful') > 0 then return 1 end", "then return 1 end",
		},
		oneRequestInDoubt,
	},
	"who was refused alone draws others": {
		mutation{"claim", "if since and count > 0 then break end", ""}, asideGoesAlone,
	},
	"a request refused for one is a storm": {
		mutation{"record", "elseif for_one then", "elseif false then"}, oneRequestInDoubt,
	},
	"who comes later goes alone, too": {
		mutation{"", "'careful', left - n)", "'careful', left)"}, oneRequestInDoubt,
	},
	"one alone in doubt is no storm": {
		mutation{"record", "'batch_refused' and b.n > 1", "'batch_refused'"}, aloneInDoubt,
	},
	"who is aside goes again under another reference": {
		mutation{"", "if status == 'd' and b.n == 1 then", "if false then"}, keepsItsReference,
	},
	"who was aside is never judged again": {
		mutation{"record", "if first or b.asides > 0 then", "if first then"}, keepsItsReference,
	},
	"one recipient pauses a channel": {
		mutation{"", "  if before then return end\n", ""}, oneBadAlone,
	},
	"a half probes its own pause": {
		mutation{"claim", "if ready and not waits then return", "if ready then return"},
		halfDoesNotProbe,
	},
	"a refused request lets the cancelled go on": {
		mutation{"", "  withhold(b, status)\n", ""}, cancelledLeave,
	},
	"one cancel strands the others": {
		mutation{
			"", "if not d or paid_elsewhere(d, pos) then return false end",
			"if not d or cancelled(d, pos) then return false end",
		},
		resendsTheCancelled,
	},
	"a doubt is not scheduled for its resend": {
		mutation{
			"record", "schedule(b, math.max(1, still_out(b)))",
			"schedule(b, tonumber(ARGV[11]))",
		},
		resendsInTime,
	},
	"a number that is out twice is matched": {
		mutation{"callback", "if #out + #lost ~= 1 then", "if #out == 0 or #lost > 0 then"},
		phoneOutTwice,
	},
	"a person's decision is no doubt": {
		mutation{"callback", "if #out + #lost ~= 1 then", "if #out ~= 1 then"},
		phoneSettledByPerson,
	},
	"a person's word is final": {
		mutation{"callback", "if #out + #lost ~= 1 then", "if #out ~= 1 or #lost > 0 then"},
		phoneAfterPerson,
	},
	"the first of two decisions is meant": {
		mutation{"callback", "if #out + #lost ~= 1 then", "if #out + #lost == 0 then"},
		phoneAfterTwoDecisions,
	},
	"a decision is taken for two": {
		mutation{"", "if not seen[line] then list", "if true then list"}, phoneDecidedAgain,
	},
	"a decision is not noted": {
		mutation{
			"resolve", "if traits(provider).callbacks then note_unanswered",
			"if false then note_unanswered",
		},
		phoneAfterResubmission,
	},
	"a decision counts for ever": {
		mutation{"", "DAYS, -1 do\n    local text", "99, -1 do\n    local text"}, phoneDecidedLongAgo,
	},
	"what was kept before is matched": {
		mutation{"callback", " and b.sent <= reported_at then", " then"}, phoneBeforeSending,
	},
	"who is not in doubt is matched": {
		mutation{"callback", "b = out[1][3] == 'd' and batch", "b = batch"},
		phoneNotInDoubt,
	},
	"a shared account is matched by number": {
		mutation{"callback", "and minor and not traits(provider).shared then", "and minor then"},
		phoneOfASharedAccount,
	},
	"the amount is not looked at": {
		mutation{"callback", "d.amount[pos] == minor and", ""}, phoneWithOtherAmount,
	},
	"the currency is not looked at": {
		mutation{"callback", "and d.currency == ARGV[5]", ""}, phoneWithOtherAmount,
	},
	"another amount is not flagged": {
		mutation{"callback", "names_another(d, pos) and 1 or 0", "0"}, otherAmount,
	},
	"ids are not learnt": {
		mutation{"", "    note_id(d, pos, provider, place, reference)\n", ""}, appliedByID,
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
		mutation{"callback", "drop()\nreturn", "return"}, keptUntilRecord,
	},
	"a kept one is lost": {
		mutation{"callback", "    if kept then\n", "    drop()\n    if false then\n"}, keptUntilDoubt,
	},
	"a kept one is handed out at once again": {
		mutation{"kept", "wait > 0 and wait or tonumber(ARGV[2])", "0"},
		keptLease,
	},
	"a worse word replaces what is kept": {
		mutation{
			"callback", "if not kept_code or STATUS[kept_code].rank <= STATUS[code].rank then",
			"if true then",
		},
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
		mutation{"callback", "if ARGV[9] ~= '1' then return keep(0) end", ""}, keptUntilConfirmed,
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
		mutation{"hint", "or b.state == 'sending' then", "then"}, hintsWhileSending,
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
	"a payment is validated again after days": {
		mutation{"validate", "now - b.sent < DAY and", ""}, validatesNotForEver,
	},
	"any amount is validated": {
		mutation{"validate", "d.amount[pos] == tonumber(ARGV[4]) and", ""}, validatesWhatIsOut,
	},
}

// mendMutations take mends out again, each of which was a fault that somebody found.
var mendMutations = map[string]storyMutation{
	"a restored batch was sent just now": {
		mutation{"record", "local began = now - tonumber(ARGV[14])", "local began = now"},
		restoredAfterTheWindow,
	},
	"a restored batch was sent never": {
		mutation{"record", "if b.sent == 0 then b.sent = began -", "if false then b.sent = began -"},
		restoredFromAClaim,
	},
	"a restored repetition was the first": {
		mutation{"record", "(attempt > 1 and traits(provider).resend or 0)", "0"},
		restoredRepetition,
	},
	"a restored repetition has forgotten the first": {
		mutation{"record", "if b.sent == 0 then b.sent = began -", "if true then b.sent = began -"},
		restoredSecondSending,
	},
	"a restored batch has no guard": {
		mutation{"record", "b.deadline = math.max(b.deadline, began + tonumber(ARGV[15]))", ""},
		restoredWithinTheGuard,
	},
	"a restored batch is not known at once": {
		mutation{"record", "b.deadline = math.max(b.deadline, began + tonumber(ARGV[15]))", ""},
		restoredAndNotKnown,
	},
	"unclear lines are no storm": {
		mutation{
			"record", "if v.verdict == 'unknown' then unclear",
			"if v.verdict == 'unknown' and not exceptional then unclear",
		},
		stormOfLines,
	},
	"a storm of lines has no reason": {
		mutation{"record", "count_failure(provider, why)", "count_failure(provider, ARGV[7])"},
		stormOfLines,
	},
	"a refused repetition is unclear": {
		mutation{"record", "if v.verdict == 'unknown' then unclear", "if true then unclear"},
		refusedRepetitions,
	},
	"a recognised repetition is unclear": {
		mutation{"record", "elseif whole.reason == 'duplicate' then", "elseif false then"},
		recognisedRepetitions,
	},
	"a recognised repetition falls": {
		mutation{"record", "counts.doubt > 0 and whole.reason ~= 'duplicate'", "counts.doubt > 0"},
		recognisedRepetitions,
	},
	"a hint forgets what came back": {
		mutation{"hint", "if b.state == 'ready' or", "if b.state == 'returned' or"},
		hintAboutAReturned,
	},
	"what came back leaves the schedule": {
		mutation{"", "b.state == 'returned' and b.saved.state ~= 'returned'", "b.state == 'returned'"},
		hintAboutAHalved,
	},
	"what came back stays on the schedule": {
		mutation{"observe", "if b.state == 'returned' then", "if false then"}, hintAboutAHalved,
	},
	"no answer about what came back is one": {
		mutation{"observe", "delay = ARGV[6] ~= '1' and tonumber(ARGV[3]) or 0", "delay = 0"},
		hintNotAnswered,
	},
	"what came back and is not known stays": {
		mutation{
			"resolveunknown", "b.state == 'done' or b.state == 'returned' then",
			"b.state == 'done' then",
		},
		hintNotKnown,
	},
	"a repeated answer takes a hint away": {
		mutation{"resolveunknown", "if asked and b.answered ~= b.polls then", "if asked then"},
		hintAfterNotKnown,
	},
	"a duplicate is told when it comes": {
		mutation{"callback", "kept and tonumber(kept:match('^%d+')) or now", "now"},
		phoneDuplicateOfKept,
	},
	"a duplicate makes it younger": {
		mutation{
			"callback", "name, string.format('%.0f', reported_at)", "name, string.format('%.0f', now)",
		},
		phoneDuplicateOfKept,
	},
	"a better word is dropped": {
		mutation{"callback", "STATUS[kept_code].rank > handed.rank then", "false then"},
		keptBetterWordMeanwhile,
	},
	"a better word is dropped by a worse one": {
		mutation{"callback", "and STATUS[ARGV[14]] or STATUS[code]", "and STATUS[ARGV[14]] or nil"},
		keptWorseWordMeanwhile,
	},
	"what is confirmed as less stays for ever": {
		mutation{"callback", "retried and STATUS[ARGV[14]] or STATUS[code]", "STATUS[code] or STATUS.q"},
		keptUntilLessIsConfirmed,
	},
	"the id of another number is believed": {
		mutation{"callback", "~= phone then return nil, nil, nil, true end", "== '' then return end"},
		otherNumber,
	},
	"another number is not flagged": {
		mutation{"callback", "keep(stranger and 2 or 0)", "keep(0)"}, otherNumber,
	},
	"nobody is given up": {
		mutation{"callback", "make_room()\n    redis", "redis"}, keptFull,
	},
	"what cannot be asked about is given up": {
		mutation{"callback", "if traits(victim:match('^%S+')).asks then return", "if true then return"},
		keptFull,
	},
	"parts are of so many entries": {
		mutation{"stranded", "while at < #entries and listed < most do", "while at < #entries do"},
		strandedByRecipients,
	},
	"who has left is read again": {
		mutation{"stranded", "redis.call('LPOP', key('pending', provider)) end", "end"},
		strandedHead,
	},
	"the next part begins too late": {
		mutation{"stranded", "from + at - (from == 0 and stale or 0)", "from + at"}, strandedHead,
	},
	"who still waits is lost": {
		mutation{"stranded", "if not live and stale == at - 1 then", "if not live then"},
		strandedBetween,
	},
	"a part in between loses the head": {
		mutation{"stranded", "from == 0 and stale or 0 do", "stale do"}, strandedBetween,
	},
	"who was refused goes back": {
		mutation{"record", "and first and not was_at(d, from, v.next) then", "and first then"},
		neverHandedBack,
	},
	"who was refused is rerouted back": {
		mutation{"reroute", "if pos > to or was_at(d, pos, next) then", "if pos > to then"},
		neverReroutedBack,
	},
	"tokens wait for the clock before": {
		mutation{"", "if charged > now then", "if false then"}, chargedInTheFuture,
	},
	"what is worked on again is not asked about": {
		mutation{"callback", "if b.reopened and traits", "if false and traits"}, reopenedByCallback,
	},
	"who cannot be asked is asked": {
		mutation{"callback", "if b.reopened and traits(provider).asks then", "if b.reopened then"},
		reopenedByCallback,
	},
	"who is asked by recipient is looked at late": {
		mutation{
			"", "traits(b.provider).checked_later and CHECK_DELAYS[b.checks + 1] or 0",
			"CHECK_DELAYS[b.checks + 1] or 0",
		},
		reopenedByCallback,
	},
	"a worker that asks in vain does not serve": {
		mutation{"claim", "redis.call('HDEL', key('channel', provider), 'waiting')", ""},
		servedInVain,
	},
	"each trigger has the time of all": {
		mutation{
			"", "'HSETNX', key('channel', provider), 'waiting'",
			"'HSET', key('channel', provider), 'waiting'",
		},
		unservedThoughWoken,
	},
	"a pause began when it is looked at": {
		mutation{"channels", "ago(since)", "0"}, channelsAtOnce,
	},
}

// TestStoriesNoticeEveryBreak breaks the scripts, one line at a time, and wants the story that is
// about the line to notice.
func TestStoriesNoticeEveryBreak(t *testing.T) {
	t.Parallel()
	all := maps.Clone(storyMutations)
	maps.Copy(all, mendMutations)
	maps.Copy(all, chunkMutations)
	require.Len(t, all, len(storyMutations)+len(mendMutations)+len(chunkMutations),
		"two have one name")
	for name, m := range all {
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

// talkMutations are breaks that the random verbs around callbacks must notice: the second machine
// is as good as the first.
var talkMutations = map[string]struct {
	mutation
	seed int
}{
	"a number that is out twice is matched": {
		mutation{"callback", "if #out + #lost ~= 1 then", "if #out == 0 or #lost > 0 then"}, 9,
	},
	"a person's decision is no doubt": {
		mutation{"callback", "if #out + #lost ~= 1 then", "if #out ~= 1 then"}, 12,
	},
	"a person's word is final": {
		mutation{"callback", "if #out + #lost ~= 1 then", "if #out ~= 1 or #lost > 0 then"}, 12,
	},
	"a decision is not noted": {
		mutation{
			"resolve", "if traits(provider).callbacks then note_unanswered",
			"if false then note_unanswered",
		}, 12,
	},
	"a resend outside the window pays twice": {
		mutation{"begin", "whole = whole and not late", "whole = whole and true"}, 221,
	},
	"a later attempt is believed": {
		mutation{"record", "local first = attempt == 1", "local first = true"}, 1718,
	},
	"ids are not learnt": {
		mutation{"", "    note_id(d, pos, provider, place, reference)\n", ""}, 1,
	},
	"a payment is validated twice": {
		mutation{"validate", "if not asked(field) then", "if true then"}, 10,
	},
}

func TestRandomCallbacksNoticeEveryBreak(t *testing.T) {
	t.Parallel()
	for name, m := range talkMutations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broken := 0
			run := talkingProperty(t, m.edit(&broken))
			require.Positive(t, broken, "the line to break is gone: update the mutation")
			for i := range runsPerMutation {
				if what := notice(run, m.seed+i); what != "" {
					t.Logf("%s: seed %d: %s", name, m.seed+i, what)
					return
				}
			}
			t.Fatalf("nobody noticed")
		})
	}
}

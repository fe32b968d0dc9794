package mutation

// erasing are breaks of what has to do with phone numbers that were erased.
var erasing = []Break{
	// erase.lua, erased.lua
	{"erase-open", "who is open is erased", "", scenario},
	{"erase-changed", "what came in between is lost", "elseif false then", scenario},
	{"erase-decided", "an erasure is not in the audit", "if false then", scenario},
	{"erase-ends", "a later erasure is taken for the same", "", scenario},
	{"erased-fingerprint", "fingerprints of an erased number stay", "if false then", scenario},
	{"erased-found", "who was erased is not found", ")", By{Simulation: 14, Scenario: true}},
	{"erased-copy", "a rejected job is deleted with the number", "", scenario},
	{"erased-entry", "the entry with the number stays beside its copy", "", scenario},
	{
		"erased-key", "each erasure has a key of its own",
		"redis.call('HSET', KEYS[1], 'erase_key', arg.new_key)", scenario,
	},

	// callback.lua, resolve.lua, validate.lua
	{"erased-callback", "who was erased is a stranger", "", scenario},
	{"erased-resubmit", "an erased number is sent to", "", scenario},
	{"erased-question", "what was vouched for is refused after an erasure", "", scenario},

	// include/chunks.lua, include/indexes.lua
	{
		"erased-content", "an erased number is skipped, and its neighbours misread",
		"for phone, amount in d.content:gmatch('(%d+) (%d+)') do", scenario,
	},
	{"erased-index", "what is kept of an erased number is not found", "local erased", scenario},
}

package mutation

// campaigns are breaks of what people say of campaigns: who is withheld, and brought back.
var campaigns = []Break{
	// include/controls.lua
	{"campaign-paused", "a paused campaign is drawn", "", By{Simulation: 12, Scenario: true}},
	{
		"campaign-paused", "one at a time is drawn of a paused campaign",
		"if c.paused then return 1 end",
		By{Simulation: 12},
	},
	{"campaign-charge", "a rate is not spent", "", scenario},
	{"campaign-withheld", "who is withheld is in no list", "", scenario},

	// claim.lua
	{
		"claim-stops-halves", "halves of a paused campaign are sent",
		"if true then return b end", scenario,
	},

	// campaign.lua
	{"campaign-again", "a pause replaces the one before", "", scenario},

	// drip.lua
	{"drip-stale", "entries of nobody use up a rate", "if d then", scenario},
	{"drip-rest", "the rest of an entry is lost", "", scenario},
	{"drip-ends", "controls are looked at for ever", "if false then", scenario},
}

// priorities are breaks of who goes first.
var priorities = []Break{
	// include/pending.lua
	{
		"urgent-queue", "nobody goes first",
		"local queue = key('pending', provider)", scenario,
	},

	// accept.lua
	{"urgent-kept", "who is given back goes with the others", "", scenario},

	// claim.lua
	{
		"urgent-turns", "those who go first starve the others",
		"table.insert(queues, 1, key('urgent', provider))", scenario,
	},

	// include/channels.lua
	{"wakeup-urgent", "nobody is called for those who go first", "", scenario},

	// stranded.lua
	{
		"stranded-urgent", "those who go first are never moved",
		"return {-1, list}", scenario,
	},
}

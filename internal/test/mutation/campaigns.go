package mutation

// campaigns are breaks of what people say of campaigns: who is withheld, and brought back.
var campaigns = []Break{
	// include/controls.lua
	{"campaign-paused", "a paused campaign is drawn", "", scenario},
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

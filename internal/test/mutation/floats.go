package mutation

// floats are breaks of what is known of the money that is left at providers.
var floats = []Break{
	// include/charges.lua
	{
		"float-limit", "what is left is not looked up",
		"return float and math.huge", held,
	},
	{"float-booked", "what is spent of a float is not looked up", "if false then", held},
	{"float-noted", "what the book has is counted once more", "", scenario},

	// include/holds.lua
	{
		"float-renewed", "another balance releases nobody",
		"return period, charges.figure(name, field)", scenario,
	},

	// floatset.lua
	{"float-base", "what was debited before counts as spent", "", scenario},
	{"float-late", "an older balance replaces a later one", "local late = false", scenario},

	// floatlook.lua
	{"float-asked", "every process asks for balances", "", scenario},
}

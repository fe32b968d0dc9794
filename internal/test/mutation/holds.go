package mutation

// held is noticed by the simulation, too.
var held = By{Simulation: 11, Scenario: true}

// holds are breaks of the gate to the queues: what is asked of recipients before they are sent.
var holds = []Break{
	// include/moves.lua
	{"holds-followed", "who was cancelled stays on the list of holds", "", scenario},
	{"given-back", "a guard gets nothing back", "", held},
	{"uncharged", "a forgotten release is not counted", "if false then", scenario},

	// include/charges.lua
	{"period-zone", "a period is one of UTC", "local day = rfc3339(now):sub(1, 10)", scenario},
	{"counted-again", "a forgotten release is counted twice", "if pos > run.to then", scenario},

	// include/duplicates.lua
	{"duplicate-within", "a payment is a duplicate for ever", "if other", scenario},
	{"duplicate-ended", "cancelled payments count as made", "then", scenario},

	// include/admission.lua
	{"guard-count", "a guard does not count recipients", "if false", held},
	{
		"guard-limit", "a guard does not count money", "or false then",
		By{Simulation: 11, Scenario: true, Programs: true},
	},
	{"charged", "each one by itself is not counted", "", held},
	{"approval-holds", "nobody has to approve", "if false then", scenario},
	{"early", "the schedule is not looked at", "", scenario},

	// accept.lua
	{"guard-refuses", "a guard that refuses holds", "for _ = 1, 0 do", scenario},
	{"refused-counted", "what a guard refused stays counted", "", scenario},
	{"charge-noted", "what was counted is not known later", "", scenario},

	// cancel.lua
	{"cancel-held", "a cancel leaves who is held", "", scenario},

	// holdsdue.lua
	{
		"budget-room", "room in a budget is not seen",
		"or period == '-'", scenario,
	},

	// admit.lua
	{
		"admit-seen", "who has moved is queued again",
		"if run.location then fn(d, run) end", scenario,
	},
	{"admit-queued", "who is released is in no queue", "", scenario},
	{
		"admit-passed", "the clock passes what holds",
		"local passed = STEP[letter]", scenario,
	},
	{"admit-cancelled", "who is cancelled is released", "", scenario},
}

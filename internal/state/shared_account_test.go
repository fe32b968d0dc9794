package state_test

import (
	"tuma/internal/airtime"
	"tuma/internal/state"
)

// Another namespace has paid the same amount to the same number by the same account.
func phoneOfASharedAccount(g *harness) {
	g.accept(someone("a", joint))
	g.record(g.begin(joint), airtime.Unknown, airtime.ReasonTimeout)
	theirs := saidOf("theirs", airtime.Successful)
	theirs.Provider = joint
	g.apply(theirs, state.CallbackParked)
	g.stands("a", joint, airtime.InDoubt)

	g.accept(through(shifted("b", 1, 1), joint))
	ours := said(g.taken(g.begin(joint))[0], airtime.Successful)
	ours.Provider = joint
	g.apply(ours, state.CallbackApplied)
	g.stands("b", joint, airtime.Successful)
}

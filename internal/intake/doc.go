// Package intake turns what comes from outside (JSON jobs, CSV and JSON Lines files) into validated
// and routed disbursals. It touches no store: what it returns is ready for Accept.
package intake

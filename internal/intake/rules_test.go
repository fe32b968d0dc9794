package intake

import (
	"time"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/routing"
	"tuma/internal/state"
)

// opposed makes an error of what rules have against disbursals.
func opposed(list []state.Disbursal, err error) ([]state.Disbursal, error) {
	var faults Faults
	for _, d := range list {
		faults = append(faults, d.Objections...)
	}
	if err == nil && len(faults) > 0 {
		return nil, faults
	}
	return list, err
}

// decode is DecodeJob with what rules are against as an error.
func decode(text string, rules Rules) (state.Disbursal, error) {
	d, err := DecodeJob([]byte(text), rules)
	list, err := opposed([]state.Disbursal{d}, err)
	if err != nil {
		return state.Disbursal{}, err
	}
	return list[0], nil
}

// testRules have two providers: lipad takes KES and UGX, sozuri KES up to 5,000.
func testRules() Rules {
	kes := providers.Limit{Min: 1000, Max: 1_000_000}
	return Rules{Rules: routing.Rules{
		DefaultProvider: "lipad",
		Providers: map[string]providers.Capabilities{
			"lipad": {
				Name: "lipad", MaxRecipients: 1000, OverdueAfter: time.Hour,
				Limits: map[airtime.Currency]providers.Limit{
					"KES": kes, "UGX": {Min: 50, Max: 100_000},
				},
			},
			"sozuri": {
				Name: "sozuri", MaxRecipients: 1000,
				Limits: map[airtime.Currency]providers.Limit{"KES": {Min: 1000, Max: 500_000}},
			},
		},
	}}
}

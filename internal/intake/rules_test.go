package intake

import (
	"time"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

// testRules have two providers: lipad takes KES and UGX, sozuri KES up to 5,000.
func testRules() Rules {
	kes := providers.Limit{Min: 1000, Max: 1_000_000}
	return Rules{
		DefaultProvider: "lipad",
		Providers: map[string]providers.Capabilities{
			"lipad": {
				Name: "lipad", MaxRecipients: 1000, Patience: time.Hour,
				Limits: map[airtime.Currency]providers.Limit{
					"KES": kes, "UGX": {Min: 50, Max: 100_000},
				},
			},
			"sozuri": {
				Name: "sozuri", MaxRecipients: 1000,
				Limits: map[airtime.Currency]providers.Limit{"KES": {Min: 1000, Max: 500_000}},
			},
		},
	}
}

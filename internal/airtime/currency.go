package airtime

import "strings"

// Currency is an ISO 4217 code such as KES.
type Currency string

// currencyRow is one line of the currency table.
type currencyRow struct {
	decimals int      // How many decimals ISO 4217 gives the currency.
	codes    []string // The E.164 country calling codes of the countries that use it.
}

// currencyTable holds the currencies that Tuma can write. A currency without calling codes can be
// written but is not airtime of any country here, so no phone number may be topped up in it.
var currencyTable = map[Currency]currencyRow{
	"AOA": {2, []string{"244"}},
	"BIF": {0, []string{"257"}},
	"BWP": {2, []string{"267"}},
	"CDF": {2, []string{"243"}},
	"CVE": {2, []string{"238"}},
	"DJF": {0, []string{"253"}},
	"DZD": {2, []string{"213"}},
	"EGP": {2, []string{"20"}},
	"ERN": {2, []string{"291"}},
	"ETB": {2, []string{"251"}},
	"GHS": {2, []string{"233"}},
	"GMD": {2, []string{"220"}},
	"GNF": {0, []string{"224"}},
	"KES": {2, []string{"254"}},
	"KMF": {0, []string{"269"}},
	"LRD": {2, []string{"231"}},
	"LSL": {2, []string{"266"}},
	"LYD": {3, []string{"218"}},
	"MAD": {2, []string{"212"}},
	"MGA": {2, []string{"261"}},
	"MRU": {2, []string{"222"}},
	"MUR": {2, []string{"230"}},
	"MWK": {2, []string{"265"}},
	"MZN": {2, []string{"258"}},
	"NAD": {2, []string{"264"}},
	"NGN": {2, []string{"234"}},
	"RWF": {0, []string{"250"}},
	"SCR": {2, []string{"248"}},
	"SDG": {2, []string{"249"}},
	"SLE": {2, []string{"232"}},
	"SOS": {2, []string{"252"}},
	"SSP": {2, []string{"211"}},
	"STN": {2, []string{"239"}},
	"SZL": {2, []string{"268"}},
	"TND": {3, []string{"216"}},
	"TZS": {2, []string{"255"}},
	"UGX": {0, []string{"256"}},
	// The central African franc, in the order CF, TD, GQ, GA, CG, CM.
	"XAF": {0, []string{"236", "235", "240", "241", "242", "237"}},
	// The west African franc (WAEMU), in the order BJ, BF, CI, GW, ML, NE, SN, TG.
	"XOF": {0, []string{"229", "226", "225", "245", "223", "227", "221", "228"}},
	"ZAR": {2, []string{"27"}},
	"ZMW": {2, []string{"260"}},
	"ZWG": {2, []string{"263"}},

	"AED": {2, nil}, "AUD": {2, nil}, "CAD": {2, nil}, "CHF": {2, nil}, "CNY": {2, nil},
	"EUR": {2, nil}, "GBP": {2, nil}, "INR": {2, nil}, "JPY": {0, nil}, "SAR": {2, nil},
	"USD": {2, nil},
}

// Decimals returns how many decimals amounts in the currency have (KES 2, UGX 0), and false for a
// code that is not in the table.
func (c Currency) Decimals() (int, bool) {
	row, known := currencyTable[c]
	return row.decimals, known
}

// Known reports whether the currency is in the table.
func (c Currency) Known() bool {
	_, known := currencyTable[c]
	return known
}

// CurrencyOf returns the currency of the country that a number belongs to, empty when none here
// uses one.
func CurrencyOf(m MSISDN) Currency {
	for n := min(3, len(m.digits)); n > 0; n-- { // Calling codes have at most three digits.
		if currency, known := currencyByCode[m.digits[:n]]; known {
			return currency
		}
	}
	return ""
}

// currencyByCode is the table by calling code.
var currencyByCode = func() map[string]Currency {
	byCode := map[string]Currency{}
	for currency, row := range currencyTable {
		for _, code := range row.codes {
			byCode[code] = currency
		}
	}
	return byCode
}()

// UsedBy reports whether the number belongs to a country that uses the currency. No provider checks
// this: asked for KES 100 to a Tanzanian number, it would send something.
func (c Currency) UsedBy(m MSISDN) bool {
	for _, code := range currencyTable[c].codes {
		if strings.HasPrefix(m.digits, code) {
			return true
		}
	}
	return false
}

package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"tuma/internal/airtime"
	"tuma/internal/routing"
)

// The keys of conditions that lists share.
const (
	keyNetworks   = "networks"
	keyCurrencies = "currencies"
	keyMinAmount  = "min_amount"
	keyMaxAmount  = "max_amount"
)

// anyCampaign is all campaigns and none, where that is a condition.
const anyCampaign = "*"

const maxCampaign = 128

var producerText = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,32}$`)

// conditionReader reads an entry with conditions: a rule, a guard or an approval.
type conditionReader struct {
	*entryReader
	conditions *routing.Conditions
	// forGuard says that producers are a condition, and every campaign is one.
	forGuard bool
}

// keys are those of the conditions.
func (r *conditionReader) keys() []string {
	keys := []string{keyNetworks, keyCurrencies, keyMinAmount, keyMaxAmount, keyCampaigns}
	if r.forGuard {
		keys = append(keys, keyProducers)
	}
	return keys
}

// condition reads a condition, and reports a key that is none. Others are keys of the entry beside
// the conditions.
func (r *conditionReader) condition(key, path string, node *yaml.Node, others ...string) {
	into := r.conditions
	switch {
	case key == keyMinAmount, key == keyMaxAmount:
		r.keep(key, path, node)
	case key == keyNetworks:
		words(r.yamlFile, node, path, key, &into.Networks, parseNetwork)
	case key == keyCurrencies:
		words(r.yamlFile, node, path, key, &into.Currencies, parseCurrency)
	case key == keyCampaigns:
		words(r.yamlFile, node, path, key, &into.Campaigns, func(word string) (string, error) {
			if r.forGuard && word == anyCampaign {
				return word, nil
			}
			return parseCampaign(word)
		})
	case key == keyProducers && r.forGuard:
		words(r.yamlFile, node, path, key, &into.Producers, parseProducer)
	default:
		r.unknownOf(key, path, node, append(r.keys(), others...))
	}
}

// parseNetwork returns an error that lists the networks and does not repeat the text.
func parseNetwork(text string) (airtime.Network, error) {
	network, err := airtime.ParseNetwork(text)
	if err == nil {
		return network, nil
	}
	var names []string
	for _, n := range airtime.Networks() {
		names = append(names, n.String())
	}
	return network, fmt.Errorf("must be one of %s", strings.Join(names, ", "))
}

func parseCurrency(text string) (airtime.Currency, error) {
	currency := airtime.Currency(text)
	if !currency.Known() {
		return currency, errors.New("is not a known currency")
	}
	return currency, nil
}

// parseCampaign looks at a campaign's name or its beginning with an asterisk.
func parseCampaign(pattern string) (string, error) {
	unprintable := func(c rune) bool { return !unicode.IsPrint(c) || c == utf8.RuneError }
	beginning := strings.TrimSuffix(pattern, "*")
	switch {
	case beginning == "":
		return pattern, errors.New("must be a name; leave campaigns out for all of them")
	case strings.Contains(beginning, "*"):
		return pattern, errors.New("may have an asterisk only as its last character")
	case utf8.RuneCountInString(beginning) > maxCampaign:
		return pattern, fmt.Errorf("is longer than %d characters", maxCampaign)
	case strings.ContainsFunc(beginning, unprintable):
		return pattern, errors.New("may hold only printable characters")
	}
	return pattern, nil
}

func parseProducer(text string) (string, error) {
	if !producerText.MatchString(text) {
		return text, errors.New("must be a producer of TUMA_HTTP_TOKENS: 1 to 32 letters, digits, " +
			"dots, dashes and underscores")
	}
	return text, nil
}

// amounts reads the bounds in each of the currencies: what "10.50" is depends on it.
func (r *conditionReader) amounts() {
	r.conditions.Min, r.conditions.Max = r.bound(keyMinAmount), r.bound(keyMaxAmount)
	for currency, most := range r.conditions.Max {
		if most < r.conditions.Min[currency] {
			r.report(r.texts[keyMaxAmount], errors.New("must not be below min_amount"))
			return
		}
	}
}

func (r *conditionReader) bound(key string) map[airtime.Currency]int64 {
	text, given := r.texts[key]
	if !given {
		return nil
	}
	if !r.has(keyCurrencies) {
		r.report(text, errors.New("needs currencies: list those that the amount is in"))
		return nil
	}
	bounds := map[airtime.Currency]int64{}
	for _, currency := range r.conditions.Currencies {
		if !currency.Known() {
			continue
		}
		money, err := airtime.ParseAmount(text.value, currency)
		if err != nil {
			r.report(text, err)
			return nil
		}
		bounds[currency] = money.Minor
	}
	return bounds
}

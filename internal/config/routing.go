package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"tuma/internal/airtime"
	"tuma/internal/routing"
)

// Bounds of what a rule says.
const (
	defaultMoveAfter = 30 * time.Second
	longestMoveAfter = 24 * time.Hour
	maxCampaign      = 128
)

// The words of when_paused and when_refused.
const (
	wordHold = "hold"
	wordKeep = "keep"
	wordMove = "move"
)

// describeRouting returns the rules as name=value.
func describeRouting(r routing.Rules) []string {
	var shown []string
	for _, rule := range r.Routing {
		shown = append(shown, "routing.rules."+rule.Name+"="+strings.Join(rule.Providers, ","))
	}
	if len(r.Ported) > 0 {
		shown = append(shown, fmt.Sprintf("routing.ported=%d numbers", len(r.Ported)))
	}
	return shown
}

func (f *yamlFile) routingField(key, path string, node *yaml.Node) {
	switch key {
	case "rules":
		f.rules(node, path)
	case "ported":
		f.fields(node, path+".", f.ported)
	default:
		f.unknown(node, path)
	}
}

// ported reads one number that changed its network. Neither it nor what stands in its place may be
// shown.
func (f *yamlFile) ported(number, path string, node *yaml.Node) {
	value, ok := f.plain(node, path)
	if !ok {
		return
	}
	phone, err := airtime.ParseMSISDN(number)
	if err != nil {
		f.problem(node, path, "%s", err)
		return
	}
	network, err := parseNetwork(value.value)
	_, twice := f.routing.Ported[phone.Digits()]
	switch {
	case phone.Network() == airtime.NoNetwork:
		f.problem(node, path, "%s is not a Kenyan number", phone)
	case err != nil:
		f.problem(node, path, "the network of %s %s", phone, err)
	case twice:
		f.problem(node, path, "%s is there twice", phone)
	case f.routing.Ported == nil:
		f.routing.Ported = map[string]airtime.Network{}
		fallthrough
	default:
		f.routing.Ported[phone.Digits()] = network
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

// rules reads the rules in their order.
func (f *yamlFile) rules(node *yaml.Node, path string) {
	if node.Kind != yaml.SequenceNode {
		f.problem(node, path, "must be a list of rules")
		return
	}
	names := map[string]bool{}
	open := "" // The path of the rule that takes everyone.
	for i, item := range node.Content {
		path := fmt.Sprintf("%s[%d]", path, i)
		r := ruleReader{yamlFile: f, node: item, path: path, texts: map[string]scalar{}}
		rule := r.read()
		if open != "" {
			f.problem(item, path, "is never reached: %s has no conditions", open)
		}
		if r.unconditional() {
			open = path
		}
		if name, given := r.texts["name"]; given && names[rule.Name] {
			f.report(name, errors.New("an earlier rule has the same name"))
		}
		names[rule.Name] = true
		f.routing.Routing = append(f.routing.Routing, rule)
	}
}

// ruleReader reads one rule. What is wrong is kept too, so that one mistake is one problem: with a
// problem, nobody gets to see the rule.
type ruleReader struct {
	*yamlFile
	node  *yaml.Node
	path  string
	rule  routing.Rule
	texts map[string]scalar // The plain values, by key.
}

func (r *ruleReader) read() routing.Rule {
	r.fields(r.node, r.path+".", r.field)
	r.name()
	r.amounts()
	r.failover()
	return r.rule
}

// unconditional reports whether the rule takes everyone.
func (r *ruleReader) unconditional() bool {
	_, least := r.texts["min_amount"]
	_, most := r.texts["max_amount"]
	return len(r.rule.Networks)+len(r.rule.Currencies)+len(r.rule.Campaigns) == 0 &&
		!least && !most
}

func (r *ruleReader) field(key, path string, node *yaml.Node) {
	switch key {
	case "name", "min_amount", "max_amount", "when_paused", "move_after", "when_refused":
		if value, ok := r.plain(node, path); ok {
			r.texts[key] = value
		}
	case "networks":
		r.words(node, path, key, func(word string) error {
			network, err := parseNetwork(word)
			r.rule.Networks = append(r.rule.Networks, network)
			return err
		})
	case "currencies":
		r.words(node, path, key, func(word string) error {
			r.rule.Currencies = append(r.rule.Currencies, airtime.Currency(word))
			if !airtime.Currency(word).Known() {
				return errors.New("is not a known currency")
			}
			return nil
		})
	case "campaigns":
		r.words(node, path, key, func(word string) error {
			r.rule.Campaigns = append(r.rule.Campaigns, word)
			return checkCampaign(word)
		})
	case "providers":
		r.words(node, path, key, r.addProvider)
	default:
		r.unknown(node, path)
	}
}

// words reads a list of at least one word.
func (r *ruleReader) words(node *yaml.Node, path, things string, read func(string) error) {
	if node.Kind == yaml.SequenceNode && len(node.Content) == 0 {
		r.problem(node, path, "must be a list of at least one; leave it out for no condition")
	}
	r.list(node, path, things, func(value scalar, _ *yaml.Node) {
		if err := read(value.value); err != nil {
			r.report(value, err)
		}
	})
}

func (r *ruleReader) addProvider(name string) error {
	twice := slices.Contains(r.rule.Providers, name)
	r.rule.Providers = append(r.rule.Providers, name)
	switch {
	case twice:
		return errors.New("is there twice")
	case !slices.Contains(names(r.instances), name):
		return fmt.Errorf("is no provider; there are %s", strings.Join(names(r.instances), ", "))
	}
	return nil
}

// checkCampaign looks at a campaign's name or its beginning with an asterisk.
func checkCampaign(pattern string) error {
	unprintable := func(c rune) bool { return !unicode.IsPrint(c) || c == utf8.RuneError }
	beginning := strings.TrimSuffix(pattern, "*")
	switch {
	case beginning == "":
		return errors.New("must be a name; leave campaigns out for all of them")
	case strings.Contains(beginning, "*"):
		return errors.New("may have an asterisk only as its last character")
	case utf8.RuneCountInString(beginning) > maxCampaign:
		return fmt.Errorf("is longer than %d characters", maxCampaign)
	case strings.ContainsFunc(beginning, unprintable):
		return errors.New("may hold only printable characters")
	}
	return nil
}

func (r *ruleReader) name() {
	text, given := r.texts["name"]
	if !given {
		r.problem(r.node, r.path, "must have a name")
		return
	}
	parse := matching(func(*Config) *string { return &r.rule.Name }, namespaceText,
		"1 to 64 letters, digits, dots, dashes and underscores")
	if err := parse(nil, text.value); err != nil {
		r.report(text, err)
	}
}

// amounts reads the bounds in each of the rule's currencies: what "10.50" is depends on it.
func (r *ruleReader) amounts() {
	r.rule.Min, r.rule.Max = r.bound("min_amount"), r.bound("max_amount")
	for currency, most := range r.rule.Max {
		if most < r.rule.Min[currency] {
			r.report(r.texts["max_amount"], errors.New("must not be below min_amount"))
			return
		}
	}
}

func (r *ruleReader) bound(key string) map[airtime.Currency]int64 {
	text, given := r.texts[key]
	if !given {
		return nil
	}
	if len(r.rule.Currencies) == 0 {
		r.report(text, errors.New("needs currencies: list those that the amount is in"))
		return nil
	}
	bounds := map[airtime.Currency]int64{}
	for _, currency := range r.rule.Currencies {
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

// failover reads the providers' number and what lets a recipient move to the next one.
func (r *ruleReader) failover() {
	if len(r.rule.Providers) == 0 {
		r.problem(r.node, r.path, "must name its providers")
		return
	}
	refused := wordKeep
	if len(r.rule.Providers) > 1 {
		refused = wordMove
	}
	r.rule.MovePaused = r.choice("when_paused", wordHold, wordHold) == wordMove
	r.rule.MoveRefused = r.choice("when_refused", wordKeep, refused) == wordMove
	after, given := r.texts["move_after"]
	switch {
	case given && !r.rule.MovePaused:
		r.report(after, errors.New("needs when_paused: move"))
	case given:
		parse := period(func(*Config) *time.Duration { return &r.rule.MoveAfter },
			0, longestMoveAfter)
		if err := parse(nil, after.value); err != nil {
			r.report(after, err)
		}
	case r.rule.MovePaused:
		r.rule.MoveAfter = defaultMoveAfter
	}
}

// choice reads a setting that is either to stay or to move, which needs somewhere to go.
func (r *ruleReader) choice(key, stay, fallback string) string {
	text, given := r.texts[key]
	if !given {
		return fallback
	}
	var chosen string
	err := oneOf(func(*Config) *string { return &chosen }, stay, wordMove)(nil, text.value)
	if err == nil && chosen == wordMove && len(r.rule.Providers) == 1 {
		err = errors.New("needs a second provider to move to")
	}
	if err != nil {
		r.report(text, err)
	}
	return chosen
}

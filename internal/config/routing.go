package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"tuma/internal/airtime"
	"tuma/internal/routing"
)

// Bounds of what a rule says.
const (
	defaultMoveAfter = 30 * time.Second
	longestMoveAfter = 24 * time.Hour
)

// The keys of a rule beside its conditions, its name and its providers.
const (
	keyWhenPaused  = "when_paused"
	keyMoveAfter   = "move_after"
	keyWhenRefused = "when_refused"
	keyPriority    = "priority"
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

// rules reads the rules in their order.
func (f *yamlFile) rules(node *yaml.Node, path string) {
	open := "" // The path of the rule that takes everyone.
	f.entries(node, path, "rule", func(entry *entryReader) {
		r := ruleReader{conditionReader: conditionReader{entryReader: entry}}
		r.conditions = &r.rule.Conditions
		r.read()
		if open != "" {
			f.problem(r.node, r.path, "is never reached: %s has no conditions", open)
		}
		if !slices.ContainsFunc(r.keys(), r.has) {
			open = r.path
		}
		f.routing.Routing = append(f.routing.Routing, r.rule)
	})
}

// ruleReader reads one rule.
type ruleReader struct {
	conditionReader
	rule routing.Rule
}

func (r *ruleReader) read() {
	r.fields(r.node, r.path+".", r.field)
	r.name(&r.rule.Name)
	r.amounts()
	r.failover()
	r.priority()
}

func (r *ruleReader) field(key, path string, node *yaml.Node) {
	switch key {
	case keyName, keyWhenPaused, keyMoveAfter, keyWhenRefused, keyPriority:
		r.keep(key, path, node)
	case keyProviders:
		words(r.yamlFile, node, path, key, &r.rule.Providers, r.provider)
	default:
		r.condition(key, path, node,
			keyName, keyProviders, keyWhenPaused, keyMoveAfter, keyWhenRefused, keyPriority)
	}
}

func (r *ruleReader) provider(name string) (string, error) {
	if known := names(r.instances); !slices.Contains(known, name) {
		return name, fmt.Errorf("is no provider; there are %s", strings.Join(known, ", "))
	}
	return name, nil
}

// priority reads whether the rule's recipients go before others.
func (r *ruleReader) priority() {
	text, given := r.texts[keyPriority]
	if !given {
		return
	}
	var chosen string
	err := oneOf(func(*Config) *string { return &chosen }, "high", "normal")(nil, text.value)
	if err != nil {
		r.report(text, err)
	}
	r.rule.High = chosen == "high"
}

// failover reads the providers' number and what lets a recipient move to the next one.
func (r *ruleReader) failover() {
	if !r.has(keyProviders) {
		r.problem(r.node, r.path, "must name its providers")
	}
	if len(r.rule.Providers) == 0 {
		return
	}
	refused := wordKeep
	if len(r.rule.Providers) > 1 {
		refused = wordMove
	}
	r.rule.MovePaused = r.choice(keyWhenPaused, wordHold, wordHold) == wordMove
	r.rule.MoveRefused = r.choice(keyWhenRefused, wordKeep, refused) == wordMove
	after, given := r.texts[keyMoveAfter]
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

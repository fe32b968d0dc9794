package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"tuma/internal/cli"
	"tuma/internal/config"
	"tuma/internal/routing"
	"tuma/internal/state"
)

// routingOf is what decides where recipients go whose producers name no provider, on which day they
// are booked, and what holds or refuses them.
func routingOf(c *config.Config) state.Rules {
	rules := state.Rules{"TUMA_DEFAULT_PROVIDER": c.Routing.DefaultProvider}
	if zone := c.Timezone.String(); zone != config.DefaultTimezone {
		rules["TUMA_TIMEZONE"] = zone
	}
	for _, i := range c.Instances {
		if c.Listed() {
			rules["providers."+i.Name()] = i.Kind
		}
	}
	ordered := func(list, name string, index int, value any) {
		rules[list+"."+name] = strconv.Itoa(index) + " " + digest(value)
	}
	for i, rule := range c.Routing.Routing {
		ordered("routing.rules", rule.Name, i, rule)
	}
	for i, guard := range c.Routing.Guards {
		if guard.Per == routing.PerBalance {
			rules["TUMA_HOLD_ON_LOW_FLOAT"] = "true" // What it is called where it is set.
		} else {
			ordered("guards", guard.Name, i, guard)
		}
	}
	for i, approval := range c.Routing.Approvals {
		ordered("approvals", approval.Name, i, approval)
	}
	if len(c.Routing.Ported) > 0 {
		rules["routing.ported"] = digest(c.Routing.Ported)
	}
	return rules
}

func digest(value any) string {
	text, _ := json.Marshal(value) // Plain values: it cannot fail. Maps are written in order.
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// keepRules tells the state which rules this worker has, until the context ends.
func (a *App) keepRules(ctx context.Context) error {
	for {
		asking, cancel := context.WithTimeout(ctx, state.TellRules)
		err := a.Store.KeepRules(asking, routingOf(a.Config))
		cancel()
		if err != nil && ctx.Err() == nil {
			a.Log.Debug("rules are not kept yet; trying again", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(state.TellRules):
		}
	}
}

// maxDiffering is how many differences of rules are named.
const maxDiffering = 5

// CheckRules refuses, as a usage error, what would route by other rules than the workers do: where
// a setting is missing, recipients would go elsewhere in silence. Nothing is refused while no
// worker has ever said which rules it has.
func (a *App) CheckRules(ctx context.Context) error {
	inForce, err := a.Store.RulesInForce(ctx)
	if err != nil || len(inForce) == 0 {
		return err
	}
	own := routingOf(a.Config)
	if slices.ContainsFunc(inForce, func(r state.Rules) bool { return maps.Equal(r, own) }) {
		return nil
	}
	names := differing(own, inForce[0])
	rest := ""
	if len(names) > maxDiffering {
		names, rest = names[:maxDiffering], fmt.Sprintf(" and %d more", len(names)-maxDiffering)
	}
	return cli.Usagef("the routing rules here are not those of the workers: %s%s; give this process "+
		"the TUMA_CONFIG, TUMA_DEFAULT_PROVIDER and TUMA_TIMEZONE of the workers (here %s), or say "+
		"--allow-other-rules", strings.Join(names, ", "), rest, a.Config.Describe()[0])
}

// differing says in what rules differ from those of the workers.
func differing(own, theirs state.Rules) []string {
	var all []string
	for what := range maps.Keys(theirs) {
		switch _, here := own[what]; {
		case !here:
			all = append(all, what+" is missing here")
		case strings.HasPrefix(what, "TUMA_") && own[what] != theirs[what]:
			all = append(all,
				fmt.Sprintf("%s is %s here and %s there", what, own[what], theirs[what]))
		case own[what] != theirs[what]:
			all = append(all, what+" differs")
		}
	}
	for what := range maps.Keys(own) {
		if _, there := theirs[what]; !there {
			all = append(all, what+" is only here")
		}
	}
	slices.Sort(all)
	return all
}

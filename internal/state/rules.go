package state

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Rules are routing rules as processes compare them: what, and its value or digest.
type Rules map[string]string

const (
	// TellRules is how often a worker keeps its rules.
	TellRules = 5 * time.Second
	// rulesStand is how long rules count as in force beside those that were kept last.
	rulesStand = 3 * TellRules
)

// KeepRules keeps that a worker has these rules.
func (s *Store) KeepRules(ctx context.Context, rules Rules) error {
	text, err := json.Marshal(rules) // Maps are written in the order of their keys.
	if err != nil {
		return fmt.Errorf("keep rules: %w", err)
	}
	_, err = s.run(ctx, s.client, "rules", string(text))
	return err
}

// RulesInForce returns the rules that workers have, those that were kept last first: several while
// workers are replaced one by one, the last ones when none runs, none when none ever did.
func (s *Store) RulesInForce(ctx context.Context) ([]Rules, error) {
	kept, err := s.client.ZRangeWithScores(ctx, s.keys.plain("rules"), 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("read the workers' rules: %w", err)
	}
	var all []Rules
	for _, z := range slices.Backward(kept) {
		if z.Score < kept[len(kept)-1].Score-float64(rulesStand.Milliseconds()) {
			break
		}
		text, _ := z.Member.(string)
		var rules Rules
		if err := json.Unmarshal([]byte(text), &rules); err != nil {
			return nil, fmt.Errorf("read the workers' rules: %w", err)
		}
		all = append(all, rules)
	}
	return all, nil
}

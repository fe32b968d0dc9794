package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"tuma/internal/app"
	"tuma/internal/state"
)

// completionMost bounds what completion shows: thousands of names are no help.
const completionMost = 100

// completionTime bounds how long a shell waits for completion. Tests give it more.
var completionTime = time.Second

// completeName completes REF of a command with the names that its flags leave, newest first.
func completeName(n *naming) cobra.CompletionFunc {
	return func(
		cmd *cobra.Command, args []string, begun string,
	) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		kind, err := n.kind()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return knownNames(cmd.Context(), kind, n.producer, begun), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFlag completes the value of a flag that names a thing of that kind.
func completeFlag(cmd *cobra.Command, flag string, kind state.Kind, producer *string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, // The flag is there.
		func(
			cmd *cobra.Command, _ []string, begun string,
		) ([]cobra.Completion, cobra.ShellCompDirective) {
			return knownNames(cmd.Context(), kind, *producer, begun),
				cobra.ShellCompDirectiveNoFileComp
		})
}

// knownNames asks Redis for the names of a kind, or of every kind, that begin so. Whatever goes
// wrong leaves the list empty: the shell's line is no place for errors.
func knownNames(ctx context.Context, kind state.Kind, producer, begun string) []cobra.Completion {
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	a, err := app.OpenFromEnvironment(ctx, zap.IncreaseLevel(zap.FatalLevel))
	if err != nil {
		return nil
	}
	defer func() { _ = a.Close() }() // As above.
	known, err := a.Store.Known(ctx)
	if err != nil {
		return nil
	}
	return pickNames(known, kind, producer, begun)
}

// pickNames leaves the names of a kind and a producer that begin so, as people write them.
func pickNames(known []state.Name, kind state.Kind, producer, begun string) []cobra.Completion {
	var picked []cobra.Completion
	for _, k := range known {
		word := state.Shown(k.Name)
		if producer == noProducer && word != k.Name {
			continue
		}
		if producer != "" && producer != noProducer {
			var own bool
			word, own = strings.CutPrefix(word, producer+"/")
			if !own || k.Name != state.Own(producer, word) {
				continue
			}
		}
		if (kind != "" && k.Kind != kind) || !strings.HasPrefix(word, begun) ||
			slices.Contains(picked, word) {
			continue
		}
		if picked = append(picked, word); len(picked) == completionMost {
			break
		}
	}
	return picked
}

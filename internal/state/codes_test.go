package state_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/providers"
	"tuma/internal/redisconn"
	"tuma/internal/state"
	"tuma/internal/test/redistest"
)

// instances are providers whose codes are agreed on with the state, beside those of the tests.
func instances(names ...string) []providers.Capabilities {
	list := slices.Clone(testProviders)
	for _, name := range names {
		list = append(list, providers.Capabilities{Name: name, RampsUp: true})
	}
	return list
}

// codesOf are the codes that a store works with, by provider.
func codesOf(s *state.Store) map[string]string {
	codes := map[string]string{}
	for _, p := range s.Options().Providers {
		codes[p.Name] = string(rune(p.Code))
	}
	return codes
}

// kept is the hash of codes.
func kept(t *testing.T, s *state.Store) map[string]string {
	t.Helper()
	all, err := s.Client().HGetAll(background, s.Key("codes", "")).Result()
	require.NoError(t, err)
	return all
}

func TestInstancesGetCodesOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := open(t, func(o *state.Options) { o.Providers = instances("north", "south") })
	first := codesOf(s)
	require.Equal(t, "L", first[lipad], "a kind keeps its code")
	require.Equal(t, []string{"a", "b"}, []string{first["north"], first["south"]})
	require.Equal(t, "north 0", kept(t, s)["a"])

	north := disbursal("n", 3)
	north.Provider = "north"
	south := shifted("s", 1, 2)
	south.Provider = "south"
	accept(t, s, north, south)
	o := s.Options()
	for _, order := range [][]string{{"south", "north"}, {"east", "south"}} {
		o.Providers = instances(order...)
		again := openWith(t, o)
		for _, name := range order {
			if before, had := first[name]; had {
				require.Equal(t, before, codesOf(again)[name])
			}
		}
		require.Equal(t, "north", rows(t, again, "n")[0].Provider, "also where it is not known")
		require.Equal(t, "south", rows(t, again, "s")[0].Provider)
		first = codesOf(again)
	}
	require.Equal(t, "c", first["east"])
	balanced(t, s)
}

// TestProcessesAgreeOnCodes although they open the state at the same moment, in other orders.
func TestProcessesAgreeOnCodes(t *testing.T) {
	t.Parallel()
	url, namespace := redistest.Shared(t)
	names := []string{"one", "two", "three", "four", "five"}
	found := make([]map[string]string, 20)
	var all sync.WaitGroup
	for i := range found {
		all.Go(func() {
			turned := slices.Concat(names[i%5:], names[:i%5])
			s, err := state.Open(context.Background(), state.Options{
				Options: redisconn.Options{URL: url}, Namespace: namespace, Providers: instances(turned...),
			})
			if err == nil {
				found[i] = codesOf(s)
				_ = s.Close()
			}
		})
	}
	all.Wait()
	for _, codes := range found {
		require.Equal(t, found[0], codes)
	}
	seen := map[string]bool{}
	for _, name := range names {
		seen[found[0][name]] = true
	}
	require.Len(t, seen, len(names))
}

// TestCodesOutliveAForgetfulRedis: whoever works writes them again, and one whose code another has
// got meanwhile does nothing any more.
func TestCodesOutliveAForgetfulRedis(t *testing.T) {
	t.Parallel()
	s := open(t, func(o *state.Options) { o.Providers = instances("north") })
	forget := func() {
		require.NoError(t, s.Client().Del(background, s.Key("codes", "")).Err())
		require.NoError(t, s.Client().HDel(background, s.Key("state", ""), "codes").Err())
	}
	forget()
	north := disbursal("n", 2)
	north.Provider = "north"
	accept(t, s, north)
	require.Equal(t, "north 0", kept(t, s)["a"])

	forget()
	o := s.Options()
	o.Providers = instances("south")
	openWith(t, o)
	require.Equal(t, "south 0", kept(t, s)["a"])
	_, err := s.Accept(background, []state.Disbursal{someone("m", "north")})
	require.ErrorIs(t, err, state.ErrLayout)
	require.ErrorContains(t, err, "the code a stands for the provider south there")
	require.ErrorIs(t, <-s.Misread(), state.ErrLayout)
}

func TestCodesEnd(t *testing.T) {
	t.Parallel()
	var names []string
	for i := range 36 {
		names = append(names, fmt.Sprintf("n%d", i))
	}
	s := open(t, func(o *state.Options) { o.Providers = instances(names...) })
	before := kept(t, s)
	o := s.Options()
	o.Providers = instances("onemore")
	_, err := state.Open(background, o)
	require.ErrorContains(t, err, "no code left for the provider onemore")
	require.Equal(t, before, kept(t, s))
}

// TestALookAgreesOnNothing: doctor sees what is there and writes nothing.
func TestALookAgreesOnNothing(t *testing.T) {
	t.Parallel()
	s := open(t, func(o *state.Options) { o.Providers = instances("north") })
	before := dumps(t, s)
	o := s.Options()
	o.Inspect, o.Providers = true, instances("south", "north")
	codes := codesOf(openWith(t, o))
	require.Equal(t, []string{"a", "b"}, []string{codes["north"], codes["south"]})
	require.Equal(t, before, dumps(t, s))
	o.Namespace = strings.ToUpper(o.Namespace)
	require.Equal(t, "a", codesOf(openWith(t, o))["south"], "where nothing is")
}

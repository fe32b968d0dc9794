package state

import (
	"context"
	"fmt"
	"strings"

	"tuma/internal/providers"
)

// freeCodes are what lua/commands/codes.lua gives out: those of programs are capital letters.
const freeCodes = "abcdefghijklmnopqrstuvwxyz0123456789"

// uncoded returns the providers whose code is agreed on with the state.
func (o Options) uncoded() (list []providers.Capabilities) {
	for _, p := range o.Providers {
		if p.Code == 0 {
			list = append(list, p)
		}
	}
	return list
}

// coded returns the options with codes for the providers that have none.
func (o Options) coded(codes map[string]byte) Options {
	known := make([]providers.Capabilities, len(o.Providers))
	for i, p := range o.Providers {
		if p.Code == 0 {
			p.Code = codes[p.Name]
		}
		known[i] = p
	}
	o.Providers = known
	return o
}

// agree gets the codes of the providers that have none, and builds the scripts with them.
func (s *Store) agree(ctx context.Context) error {
	unnamed := s.options.uncoded()
	if len(unnamed) == 0 {
		return nil
	}
	find := s.agreed
	if s.options.Inspect {
		find = s.seen
	}
	codes, err := find(ctx, unnamed)
	if err != nil {
		return err
	}
	s.options = s.options.coded(codes)
	if err := s.options.checkProviders(); err != nil {
		return err
	}
	s.code, s.name = s.options.codes()
	s.scripts = newScripts(s.options)
	return nil
}

// agreed has the state keep codes. The scripts that run it know only who has one already.
func (s *Store) agreed(
	ctx context.Context, unnamed []providers.Capabilities,
) (map[string]byte, error) {
	args := make([]any, 0, 2*len(unnamed))
	for _, p := range unnamed {
		args = append(args, p.Name, flag(p.Callbacks))
	}
	answer, err := s.run(ctx, s.client, "codes", args...)
	if err != nil {
		return nil, err
	}
	codes := map[string]byte{}
	for i, p := range unnamed {
		code := asList(answer).text(i)
		if code == "" {
			return nil, fmt.Errorf("state: there is no code left for the provider %s: %d had other "+
				"names before; use one of these again", p.Name, len(freeCodes))
		}
		codes[p.Name] = code[0]
	}
	return codes, nil
}

// seen reads the codes, for one who changes nothing. A provider that the state does not know yet
// gets one that is free, for as long as one looks.
func (s *Store) seen(
	ctx context.Context, unnamed []providers.Capabilities,
) (map[string]byte, error) {
	kept, _ := s.client.HGetAll(ctx, s.keys.plain("codes")).Result() // Who looks takes what there is.
	codes, taken := map[string]byte{}, map[string]bool{}
	for code, text := range kept {
		name, _, _ := strings.Cut(text, " ")
		codes[name], taken[code] = code[0], true
	}
	for _, p := range unnamed {
		for _, code := range freeCodes {
			if _, known := codes[p.Name]; !known && !taken[string(code)] {
				codes[p.Name], taken[string(code)] = byte(code), true
			}
		}
	}
	return codes, nil
}

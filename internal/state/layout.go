package state

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"tuma/internal/redisconn"
)

// schema is the number of the layout of everything that is stored: keys.go and lua/include say what
// that is. Whoever changes what another version would misread raises it, adds what brings the old
// layout to the new one, and leaves the fixtures in testdata as they are.
const schema = 1 // break: schema

// layoutPrefix is what the scripts of lua/include/layout.lua begin with when they refuse.
const layoutPrefix = "TUMALAYOUT "

// unnumbered is what stands for the layout of a state that has no number.
const unnumbered = "none"

// ErrLayout is returned by every verb, which has then done nothing, and by Open, when the state was
// stored in another layout than this version knows. Work that goes on would misread money: long
// running processes end.
var ErrLayout = errors.New("the state in Redis has another layout")

// layoutError says what is there, and what to do.
func layoutError(found string) error {
	if found == unnumbered {
		return fmt.Errorf("%w: it was stored by a version before layouts had numbers: let that "+
			"version finish what is open, then use another TUMA_NAMESPACE or an empty Redis", ErrLayout)
	}
	if clash, is := strings.CutPrefix(found, "code:"); is {
		code, name, _ := strings.Cut(clash, ":")
		return fmt.Errorf("%w: the code %s stands for the provider %s there, and for another one in "+
			"this program, or %[3]s has another code: run a version that agrees", ErrLayout, code, name)
	}
	return fmt.Errorf("%w: it is layout %s, and this program knows layout %d: run the version of all "+
		"programs that knows layout %[2]s, or use another TUMA_NAMESPACE", ErrLayout, found, schema)
}

// Layout returns the number of the stored layout, zero when nothing is stored. ErrLayout is
// returned for one that this version does not know.
func (s *Store) Layout(ctx context.Context) (int, error) {
	// In this order: another process may write its first state, number and all, in between.
	exists, err := s.client.Exists(ctx, s.keys.state()).Result()
	if err == nil && exists == 0 {
		return 0, nil
	}
	found := unnumbered
	if err == nil {
		found, err = s.client.HGet(ctx, s.keys.state(), "schema").Result()
	}
	if errors.Is(err, redis.Nil) {
		found, err = unnumbered, nil
	}
	if redisconn.IsReply(err) {
		return 0, fmt.Errorf("read the layout of the state: %w", err)
	}
	if err != nil {
		return 0, s.silent(err)
	}
	if found != fmt.Sprint(schema) {
		return 0, s.noticed(layoutError(found))
	}
	return schema, nil
}

// Misread gives the error when a layout has been found that this version does not know.
func (s *Store) Misread() <-chan error { return s.misread }

// noticed gives an error to Misread, if it is that one.
func (s *Store) noticed(err error) error {
	if errors.Is(err, ErrLayout) {
		select {
		case s.misread <- err:
		default: // It is known already.
		}
	}
	return err
}

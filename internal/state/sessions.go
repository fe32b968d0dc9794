package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"tuma/internal/effect"
)

// Session is a person's stay in the console.
type Session struct {
	User string `json:"user"`
	// Token is what the forms of this session carry.
	Token string    `json:"token"`
	Began time.Time `json:"began"`
}

// KeepSession keeps a session under an id for a while. The id should be a hash of what the browser
// has, so that who reads Redis cannot take the session over.
func (s *Store) KeepSession(
	ctx context.Context, id string, of Session, length time.Duration,
) error {
	text, err := json.Marshal(of)
	if err != nil {
		return fmt.Errorf("spell a session: %w", err)
	}
	return effect.Do(ctx, "keep session", func() error {
		return s.client.Set(ctx, s.keys.named("session", id), text, length).Err()
	})
}

// Session returns the session of an id; false when there is none, or none any more.
func (s *Store) Session(ctx context.Context, id string) (of Session, found bool, err error) {
	text, err := s.client.Get(ctx, s.keys.named("session", id)).Bytes()
	if errors.Is(err, redis.Nil) {
		return of, false, nil
	}
	if err != nil {
		return of, false, fmt.Errorf("read a session: %w", err)
	}
	if err := json.Unmarshal(text, &of); err != nil {
		return of, false, fmt.Errorf("read a session: %w", err)
	}
	return of, true, nil
}

// DropSession ends a session.
func (s *Store) DropSession(ctx context.Context, id string) error {
	return effect.Do(ctx, "drop session", func() error {
		return s.client.Del(ctx, s.keys.named("session", id)).Err()
	})
}

// CountSignIn counts a try to sign in under a name, and returns how many there were in the period
// that began with the first of them.
func (s *Store) CountSignIn(
	ctx context.Context, name string, period time.Duration,
) (tries int64, err error) {
	key := s.keys.named("signintries", name)
	err = effect.Do(ctx, "count sign-in", func() error {
		tries, err = s.client.Incr(ctx, key).Result()
		if err == nil && tries == 1 {
			err = s.client.PExpire(ctx, key, period).Err()
		}
		return err
	})
	return tries, err
}

// ForgetSignIns forgets the tries under a name, of which one was right.
func (s *Store) ForgetSignIns(ctx context.Context, name string) error {
	return effect.Do(ctx, "forget sign-ins", func() error {
		return s.client.Del(ctx, s.keys.named("signintries", name)).Err()
	})
}

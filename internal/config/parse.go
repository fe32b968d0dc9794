package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // The image has no database of time zones.
)

// These make parsers. Their errors begin with "must be": the page of all settings shows the rest.

func oneOf(field func(*Config) *string, allowed ...string) func(*Config, string) error {
	return func(c *Config, value string) error {
		if !slices.Contains(allowed, value) {
			return fmt.Errorf("must be one of %s", strings.Join(allowed, ", "))
		}
		*field(c) = value
		return nil
	}
}

func boolean(field func(*Config) *bool) func(*Config, string) error {
	return func(c *Config, value string) error {
		if value != "true" && value != "false" {
			return errors.New("must be true or false")
		}
		*field(c) = value == "true"
		return nil
	}
}

func whole(field func(*Config) *int, least, most int) func(*Config, string) error {
	return func(c *Config, value string) error {
		number, err := strconv.Atoi(value)
		if err != nil || number < least || number > most {
			return fmt.Errorf("must be a whole number from %d to %d", least, most)
		}
		*field(c) = number
		return nil
	}
}

func period(field func(*Config) *time.Duration, least, most time.Duration,
) func(*Config, string) error {
	return func(c *Config, value string) error {
		duration, err := ParseDuration(value)
		if err != nil || duration < least || duration > most {
			return fmt.Errorf("must be a duration such as 30s, from %s to %s", least, most)
		}
		*field(c) = duration
		return nil
	}
}

// ParseDuration is time.ParseDuration with days in front: 90d, 1d12h.
func ParseDuration(text string) (time.Duration, error) {
	days, rest, found := strings.Cut(text, "d")
	if !found {
		return time.ParseDuration(text)
	}
	n, err := strconv.ParseUint(days, 10, 16)
	if err != nil {
		return 0, err
	}
	duration := time.Duration(n) * 24 * time.Hour
	if rest == "" {
		return duration, nil
	}
	more, err := time.ParseDuration(rest)
	if err == nil && (more < 0 || rest[0] == '+') {
		err = errors.New("a sign within a duration")
	}
	return duration + more, err
}

func zone(field func(*Config) **time.Location) func(*Config, string) error {
	return func(c *Config, value string) error {
		location, err := time.LoadLocation(value)
		if err != nil || value == "Local" { // Local is another one on each machine.
			return errors.New("must be the name of a time zone, such as Africa/Nairobi or UTC")
		}
		*field(c) = location
		return nil
	}
}

func multiplier(c *Config, value string) error {
	number, err := strconv.ParseFloat(value, 64)
	// Written so that NaN, which compares with nothing, is refused too.
	if err != nil || !(number > 1 && number <= 10) {
		return errors.New("must be a number above 1 and up to 10")
	}
	c.PollMultiplier = number
	return nil
}

func matching(field func(*Config) *string, expression *regexp.Regexp, allowed string,
) func(*Config, string) error {
	return func(c *Config, value string) error {
		if !expression.MatchString(value) {
			return fmt.Errorf("must be %s", allowed)
		}
		*field(c) = value
		return nil
	}
}

func text(field func(*Config) *string) func(*Config, string) error {
	return matching(field, printableText, "1 to 128 printable characters")
}

package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
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
		duration, err := time.ParseDuration(value)
		if err != nil || duration < least || duration > most {
			return fmt.Errorf("must be a duration such as 30s, from %s to %s", least, most)
		}
		*field(c) = duration
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

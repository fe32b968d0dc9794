package redisconn

import (
	"errors"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// IsReply reports whether Redis answered with an error, so that it was there.
func IsReply(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}

// Forbidden reports whether the Redis user lacks a permission. Of a script Redis says it in words
// that depend on its version.
func Forbidden(err error) bool {
	return slices.ContainsFunc([]string{
		"NOPERM", "The user executing the script can't", "ACL failure in script",
	}, func(words string) bool { return strings.Contains(err.Error(), words) })
}

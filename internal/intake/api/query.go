package api

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// query are the parameters of a request, each given at most once.
type query map[string]string

// readQuery reads the parameters of a request. A name that is not known may be a misspelt filter,
// so it is refused.
func readQuery(raw string, known ...string) (query, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, errors.New("the query could not be read: escape it")
	}
	q := query{}
	for name, given := range values {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("unknown query parameter; known: %s", strings.Join(known, ", "))
		}
		if len(given) > 1 {
			return nil, fmt.Errorf("%s: is given twice", name)
		}
		q[name] = given[0]
	}
	return q, nil
}

// flag reads true or false; left out, it is false.
func (q query) flag(name string) (bool, error) {
	switch q[name] {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, fmt.Errorf("%s: %q is not true or false", name, q[name])
}

// limit is how many are asked for: at most most, which is also the default.
func (q query) limit(most int) (int, error) {
	if q["limit"] == "" {
		return most, nil
	}
	n, err := strconv.Atoi(q["limit"])
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("limit: %q is not a number from 1 to %d", q["limit"], most)
	}
	return n, nil
}

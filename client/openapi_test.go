package client

import (
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// schema is what the tests read of a schema.
type schema struct {
	Required   []string
	Properties map[string]schema
	Items      *schema
	AllOf      []schema `yaml:"allOf"`
}

// description is what they read of openapi.yaml.
type description struct {
	Paths map[string]map[string]struct {
		ID string `yaml:"operationId"`
	}
	Components struct{ Schemas map[string]schema }
}

func read(t *testing.T) (d description) {
	t.Helper()
	text, err := os.ReadFile("../internal/intake/api/openapi.yaml")
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &d))
	return d
}

// calls are the methods that make the calls of the description.
var calls = map[string][]string{
	"postDisbursal": {"Send", "Try"}, "getDisbursal": {"Status"}, "listDisbursals": {"List"},
	"cancelDisbursal": {"Cancel"}, "getResults": {"Results"},
	"findRecipients": {"Recipients"},
}

// TestEveryRouteHasAMethod: of those for producers, and no method is without one.
func TestEveryRouteHasAMethod(t *testing.T) {
	t.Parallel()
	var described []string
	for path, operations := range read(t).Paths {
		for _, operation := range operations {
			if strings.HasPrefix(path, "/v1/") {
				described = append(described, operation.ID)
			}
		}
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(calls)), described)
	var methods []string
	for method := range reflect.TypeFor[*Client]().Methods() {
		methods = append(methods, method.Name)
	}
	require.ElementsMatch(t, slices.Concat(slices.Collect(maps.Values(calls))...), methods)
}

// fields are the names in JSON of a struct's fields.
func fields(of reflect.Type) (names []string) {
	for field := range of.Fields() {
		if field.Anonymous {
			names = append(names, fields(field.Type)...)
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// names are those that a schema has, with those of the schemas that it is made of.
func (s schema) names() []string {
	names := append(slices.Clone(s.Required), slices.Collect(maps.Keys(s.Properties))...)
	for _, part := range s.AllOf {
		names = append(names, part.names()...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// TestTheTypesHaveEveryFieldOfTheDescription, and no other.
func TestTheTypesHaveEveryFieldOfTheDescription(t *testing.T) {
	t.Parallel()
	schemas := read(t).Components.Schemas
	for name, of := range map[string]reflect.Type{
		"Job": reflect.TypeFor[Job](), "Held": reflect.TypeFor[Held](),
		"Summary": reflect.TypeFor[Summary](), "Recipient": reflect.TypeFor[Recipient](),
		"Cancelled": reflect.TypeFor[Cancelled](), "Result": reflect.TypeFor[Result](),
		"Disbursals": reflect.TypeFor[listPage](), "Results": reflect.TypeFor[resultsPage](),
		"Recipients": reflect.TypeFor[recipientsPage](),
	} {
		described, known := schemas[name]
		require.True(t, known, name)
		require.ElementsMatch(t, described.names(), fields(of), name)
	}
	require.ElementsMatch(t, append(schemas["Summary"].names(), schemas["Status"].names()...),
		fields(reflect.TypeFor[Status]()), "a Status is a Summary with a list")
	require.ElementsMatch(t, schemas["Job"].Properties["recipients"].Items.names(),
		fields(reflect.TypeFor[JobRecipient]()))
	require.ElementsMatch(t, schemas["Held"].Properties["held"].Items.names(),
		fields(reflect.TypeFor[Waiting]()))
	require.ElementsMatch(t, schemas["Held"].Properties["short"].Items.names(),
		fields(reflect.TypeFor[Shortage]()))
	require.ElementsMatch(t, schemas["Recipient"].Properties["history"].Items.names(),
		fields(reflect.TypeFor[Refusal]()))
}

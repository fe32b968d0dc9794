// Package schematest holds JSON bodies against the schemas of an OpenAPI 3.1 description, which are
// JSON Schemas.
package schematest

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

const document = "openapi.json"

// Schemas are those of a description.
type Schemas struct{ compiler *jsonschema.Compiler }

// Read reads a description in YAML.
func Read(t *testing.T, description []byte) *Schemas {
	t.Helper()
	var tree any
	require.NoError(t, yaml.Unmarshal(description, &tree))
	text, err := json.Marshal(tree)
	require.NoError(t, err)
	resource, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	require.NoError(t, compiler.AddResource(document, resource))
	return &Schemas{compiler}
}

// Fits demands that a body is as the schema of a name says.
func (s *Schemas) Fits(t *testing.T, name string, body []byte) {
	t.Helper()
	schema, err := s.compiler.Compile(document + "#/components/schemas/" + name)
	require.NoError(t, err)
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	require.NoError(t, err, string(body))
	require.NoError(t, schema.Validate(value), string(body))
}

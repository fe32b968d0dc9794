package deploy

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// misfit is one way to break a document of YAML, and a part of what is found then.
type misfit struct {
	// at is a path of keys. Among several documents it begins with kind and name of one of them; a
	// name that ends in a hyphen stands for all that go on behind it. An entry of a list goes by its
	// number, by itself, or by its name or key.
	at string
	// to is the value that is put there; empty for one that is taken away.
	to    string
	found string
}

var podPaths = strings.NewReplacer("container ", "spec template spec containers 0 ",
	"pod ", "spec template spec ")

// apply breaks a text.
func (m misfit) apply(t *testing.T, text string) string {
	t.Helper()
	path := strings.Fields(podPaths.Replace(m.at))
	var value yaml.Node
	require.NoError(t, yaml.Unmarshal([]byte(m.to), &value))
	documents := strings.Split(text, "\n---\n")
	for i, document := range documents {
		var node yaml.Node
		require.NoError(t, yaml.Unmarshal([]byte(document), &node))
		keys := path
		if kind, name, several := strings.Cut(path[0], "/"); several {
			if !isObject(t, &node, kind, name) {
				continue
			}
			keys = path[1:]
		}
		change(t, node.Content[0], keys, value.Content)
		changed, err := yaml.Marshal(&node)
		require.NoError(t, err)
		documents[i] = string(changed)
		return strings.Join(documents, "\n---\n")
	}
	require.Fail(t, "there is no such document", m.at)
	return ""
}

func isObject(t *testing.T, document *yaml.Node, kind, name string) bool {
	t.Helper()
	var object struct {
		Kind     string
		Metadata struct{ Name string }
	}
	require.NoError(t, document.Decode(&object))
	return object.Kind == kind && (object.Metadata.Name == name ||
		strings.HasSuffix(name, "-") && strings.HasPrefix(object.Metadata.Name, name))
}

// change puts a value at a path below a node, or takes away what is there.
func change(t *testing.T, node *yaml.Node, path []string, value []*yaml.Node) {
	t.Helper()
	first, last := entry(node, path[0])
	switch {
	case len(path) > 1:
		require.Less(t, first, last, "there is no %s", path[0])
		change(t, node.Content[last-1], path[1:], value)
	case first < last && len(value) > 0:
		node.Content[last-1] = value[0]
	case first < last:
		node.Content = slices.Delete(node.Content, first, last)
	default:
		require.Equal(t, yaml.MappingNode, node.Kind, "there is no %s", path[0])
		require.NotEmpty(t, value, "there is no %s", path[0])
		key := &yaml.Node{Kind: yaml.ScalarNode, Value: path[0]}
		node.Content = append(node.Content, key, value[0])
	}
}

// entry returns where a node has an entry: from, to. The value is the last of it.
func entry(node *yaml.Node, key string) (first, last int) {
	if node.Kind == yaml.MappingNode {
		for i := 0; i < len(node.Content); i += 2 {
			if node.Content[i].Value == key {
				return i, i + 2
			}
		}
		return 0, 0
	}
	for i, element := range node.Content {
		if element.Value == key || strconv.Itoa(i) == key {
			return i, i + 1
		}
		for _, field := range []string{"name", "key"} {
			if at, end := entry(element, field); element.Kind == yaml.MappingNode && at < end &&
				element.Content[end-1].Value == key {
				return i, i + 1
			}
		}
	}
	return 0, 0
}

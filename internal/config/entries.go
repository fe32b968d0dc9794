package config

import (
	"errors"
	"fmt"
	"slices"

	"gopkg.in/yaml.v3"

	"tuma/internal/nearest"
)

// entries calls read with every entry of a list of named things, in their order.
func (f *yamlFile) entries(node *yaml.Node, path, thing string, read func(*entryReader)) {
	if node.Kind != yaml.SequenceNode {
		f.problem(node, path, "must be a list of %ss", thing)
		return
	}
	var names []string
	for i, item := range node.Content {
		r := &entryReader{
			yamlFile: f, node: item, path: fmt.Sprintf("%s[%d]", path, i), texts: map[string]scalar{},
		}
		if item.Kind != yaml.MappingNode {
			f.problem(item, r.path, "must be a mapping of names to values")
			continue
		}
		read(r)
		name, given := r.texts[keyName]
		if given && slices.Contains(names, name.value) {
			f.report(name, fmt.Errorf("an earlier %s has the same name", thing))
		}
		names = append(names, name.value)
	}
}

// entryReader reads one entry of a list. What is wrong is kept too, so that one mistake is one
// problem: with a problem, nobody gets to see the entry.
type entryReader struct {
	*yamlFile
	node  *yaml.Node
	path  string
	texts map[string]scalar // The plain values, by key.
}

// keep reads the plain value of a key, to be looked at when all of them are known.
func (r *entryReader) keep(key, path string, node *yaml.Node) {
	if value, ok := r.plain(node, path); ok {
		r.texts[key] = value
	}
}

// has reports whether the entry says something of the key, right or wrong.
func (r *entryReader) has(key string) bool { return valueOf(r.node, key) != nil }

// text parses a plain value, if it is given.
func (r *entryReader) text(key string, parse func(string) error) {
	if value, given := r.texts[key]; given {
		if err := parse(value.value); err != nil {
			r.report(value, err)
		}
	}
}

// word is text for one of the words that are allowed.
func (r *entryReader) word(key string, into *string, allowed ...string) {
	parse := oneOf(func(*Config) *string { return into }, allowed...)
	r.text(key, func(value string) error { return parse(nil, value) })
}

// name reads the name, which every entry must have.
func (r *entryReader) name(into *string) {
	if !r.has(keyName) {
		r.problem(r.node, r.path, "must have a name")
	}
	parse := matching(func(*Config) *string { return into }, namespaceText,
		"1 to 64 letters, digits, dots, dashes and underscores")
	r.text(keyName, func(value string) error { return parse(nil, value) })
}

// unknownOf reports a key that is none of those that there are.
func (f *yamlFile) unknownOf(key, path string, node *yaml.Node, known []string) {
	f.problem(node, path, "there is no such setting; did you mean %s?", nearest.Of(key, known))
}

// words reads a list of at least one word, each once. What is no word is kept too: see entryReader.
func words[T comparable](
	f *yamlFile, node *yaml.Node, path, things string, into *[]T, read func(string) (T, error),
) {
	if node.Kind == yaml.SequenceNode && len(node.Content) == 0 {
		f.problem(node, path, "must be a list of at least one; leave it out for all of them")
	}
	f.list(node, path, things, func(value scalar, _ *yaml.Node) {
		word, err := read(value.value)
		if err == nil && slices.Contains(*into, word) {
			err = errors.New("is there twice")
		}
		if err != nil {
			f.report(value, err)
		}
		*into = append(*into, word)
	})
}

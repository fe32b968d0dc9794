package mutation

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Edit changes one source file of a program under test without touching the file.
type Edit struct {
	// File is a path below the module, or below the Go installation when it starts with GOROOT.
	File string
	// From must be in the file exactly once; To replaces it. With no From, To is a new file.
	From, To string
}

// Overlay writes the edited files of the module at root into a directory, with the list of which
// stands for which, and returns what to give to the go command's -overlay. An error is returned
// when an edit does not fit its file any more.
func Overlay(root, directory string, edits []Edit) (string, error) {
	goRoot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("find the Go installation: %w", err)
	}
	replaced := map[string]string{}
	for _, e := range edits {
		source := filepath.Join(root, e.File)
		if rest, found := strings.CutPrefix(e.File, "GOROOT/"); found {
			source = filepath.Join(strings.TrimSpace(string(goRoot)), rest)
		}
		read, again := replaced[source]
		if !again {
			read = source
		}
		text, err := e.change(read)
		if err != nil {
			return "", err
		}
		replaced[source] = filepath.Join(directory, strings.ReplaceAll(e.File, "/", "_"))
		if err := os.WriteFile(replaced[source], []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		return "", err
	}
	path := filepath.Join(directory, "overlay.json")
	return path, os.WriteFile(path, list, 0o600)
}

// change returns the text of a file with the edit in it.
func (e Edit) change(file string) (string, error) {
	if e.From == "" {
		return e.To, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(text), e.From); n != 1 {
		return "", fmt.Errorf("%s holds %q %d times, not once", e.File, e.From, n)
	}
	return strings.Replace(string(text), e.From, e.To, 1), nil
}

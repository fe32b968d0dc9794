package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"tuma/internal/proctest"
)

// commands are the programs that are measured.
var commands = []string{"enqueuer", "worker", "poller", "sandbox"}

// profileVariable names the file into which a profiled program writes its CPU profile.
const profileVariable = "BENCH_PROFILE"

// profileSource is added to profiled programs. Its exit stands for os.Exit in their main.go.
//
//go:embed testdata/profile.go.txt
var profileSource []byte

// build builds the programs into a folder, as `make build` does. With profiled they take a CPU
// profile of their whole life: by an overlay, so that the product carries nothing for it.
func build(folder string, profiled bool) error {
	root, err := proctest.ModuleRoot()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("make a folder for the programs: %w", err)
	}
	arguments := []string{"build", "-trimpath", "-buildvcs=false", "-o", folder}
	if profiled {
		overlay, err := overlay(root, folder)
		if err != nil {
			return fmt.Errorf("make programs that take profiles: %w", err)
		}
		arguments = append(arguments, "-overlay", overlay)
	}
	for _, command := range commands {
		arguments = append(arguments, "./cmd/"+command)
	}
	run := exec.Command("go", arguments...)
	run.Dir = root
	if output, err := run.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, output)
	}
	return nil
}

// overlay writes the list of what profiled programs are built from and returns its path. An error
// is returned when a main.go does not leave through os.Exit exactly once.
func overlay(root, folder string) (string, error) {
	replaced := map[string]string{}
	put := func(source, name string, text []byte) error {
		replaced[source] = filepath.Join(folder, name)
		return os.WriteFile(replaced[source], text, 0o600)
	}
	for _, command := range commands {
		main := filepath.Join(root, "cmd", command, "main.go")
		text, err := os.ReadFile(main)
		if err != nil {
			return "", err
		}
		if n := strings.Count(string(text), "os.Exit("); n != 1 {
			return "", fmt.Errorf("%s leaves through os.Exit %d times, not once", main, n)
		}
		edited := strings.Replace(string(text), "os.Exit(", "exitProfiled(", 1)
		edited = strings.Replace(edited, "\t\"os\"\n", "", 1)
		if err := put(main, command+"-main.go.txt", []byte(edited)); err != nil {
			return "", err
		}
		added := filepath.Join(root, "cmd", command, "profile_bench.go")
		if err := put(added, command+"-profile.go.txt", profileSource); err != nil {
			return "", err
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "overlay.json")
	return path, os.WriteFile(path, list, 0o600)
}

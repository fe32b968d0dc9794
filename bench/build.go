package main

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"

	"tuma/internal/test/mutation"
	"tuma/internal/test/proctest"
)

// commands are the programs that are measured.
var commands = []string{"enqueuer", "worker", "poller", "sandbox"}

// profileVariable names the file into which a profiled program writes its CPU profile.
const profileVariable = "BENCH_PROFILE"

// profileSource is added to profiled programs. Its exit stands for os.Exit in their main.go.
//
//go:embed testdata/profile.go.txt
var profileSource []byte

// build builds the programs into a folder, as the image is built: what is measured is what is
// delivered, and whoever builds both compiles once. With profiled they take a CPU profile of their
// whole life: by an overlay, so that the product carries nothing for it.
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
	run.Env = append(run.Environ(), "CGO_ENABLED=0")
	if output, err := run.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, output)
	}
	return nil
}

// overlay writes the list of what profiled programs are built from and returns its path. An error
// is returned when a main.go does not leave through os.Exit exactly once.
func overlay(root, folder string) (string, error) {
	var edits []mutation.Edit
	for _, command := range commands {
		main := "cmd/" + command + "/main.go"
		edits = append(edits, mutation.Edit{File: main, From: "os.Exit(", To: "exitProfiled("},
			mutation.Edit{File: main, From: "\t\"os\"\n"},
			mutation.Edit{File: "cmd/" + command + "/profile_bench.go", To: string(profileSource)})
	}
	return mutation.Overlay(root, folder, edits)
}

// Command bench measures Tuma against the least that any program must do (bench/floor) and against
// what a team would build first (bench/peer), on this machine and in one run, and writes
// docs/benchmarks.md. It starts its own Redis, simulated provider and processes.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// run is main without the exit.
func run(ctx context.Context, arguments []string) error {
	if len(arguments) > 0 && rivals[arguments[0]] != nil {
		return rivals[arguments[0]](ctx, arguments[1:])
	}
	o := options{out: os.Stdout, log: os.Stderr}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&o.scenarios, "scenarios", "all", "which to run, with commas: "+scenarioNames())
	quick := flags.Bool("quick", false, "run with a tenth of the recipients")
	flags.StringVar(&o.page, "write", "", "write the page to this file, too")
	flags.StringVar(&o.profiles, "profile", "",
		"keep the CPU profiles of the processes in this folder")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is no flag: see go run ./bench -help", flags.Arg(0))
	}
	if o.divisor = 1; *quick {
		o.divisor = 10
	}
	b, err := newBench(o)
	if err != nil {
		return err
	}
	defer b.close()
	return b.run(ctx)
}

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"tuma/internal/airtime"
	"tuma/internal/app"
	"tuma/internal/cli"
	"tuma/internal/intake"
	"tuma/internal/state"
)

// atLayout is how instants are written: RFC 3339, UTC, with milliseconds.
const atLayout = "2006-01-02T15:04:05.000Z07:00"

// reportColumns are the columns of a report, in order.
var reportColumns = []string{
	"reference", "campaign", "phone_number", "amount", "currency", "provider", "status", "reason",
	"provider_reference", "batch", "message", "at", "id", "discount", "release_at",
}

// releaseAt is when a held recipient is released by itself; empty when only a person does that.
func releaseAt(r state.Row) string {
	if r.ReleaseAt.IsZero() {
		return ""
	}
	return r.ReleaseAt.Format(atLayout)
}

// cells are the values of a row, in the order of reportColumns.
func cells(r state.Row) []string {
	return []string{
		r.Reference, r.Campaign, r.Phone.Digits(), r.Amount.Decimal(), string(r.Amount.Currency),
		r.Provider, r.Status.String(), string(r.Reason), r.ProviderReference, r.Batch, r.Message,
		r.At.Format(atLayout), r.ID, r.Discount, releaseAt(r),
	}
}

// reportOptions are the flags of "enqueuer report".
type reportOptions struct {
	naming
	format, status, output string
	force                  bool
}

func newReportCommand() *cobra.Command {
	var options reportOptions
	cmd := &cobra.Command{
		Use:   "report REF",
		Short: "Write every recipient of a disbursal, import or campaign",
		Long: `Write every recipient of a disbursal, import or campaign, with full phone numbers. A
file is written beside its name first and takes it when it is complete; only its owner may read
it. A file that is there already is not replaced without --force.`,
		Example: `  enqueuer report wave-7 -o wave-7.csv
  enqueuer report rewards-november --campaign --format json --status failed`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if options.format != "csv" && options.format != "json" {
				return cli.Usagef("--format: %q is not csv or json", options.format)
			}
			if options.status != "" {
				if _, err := airtime.ParseStatus(options.status); err != nil {
					return cli.Usagef("--status: %w; choose one of %s", err,
						strings.Join(statusNames(), ", "))
				}
			}
			return withApp(cmd.Context(), func(a *app.App) error {
				return report(cmd, a.Store, options, args[0])
			})
		},
	}
	options.addFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&options.format, "format", "csv", "csv, or json for JSON Lines")
	flags.StringVar(&options.status, "status", "", "only recipients in this status: "+
		strings.Join(statusNames(), ", "))
	flags.BoolVar(&options.force, "force", false, "replace the file if it is there")
	flags.StringVarP(&options.output, "output", "o", "", "write to this file")
	_ = cmd.RegisterFlagCompletionFunc("status", // The flag is there.
		cobra.FixedCompletions(statusNames(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// statusNames are the words for --status.
func statusNames() []string {
	var names []string
	for _, s := range airtime.Statuses() {
		names = append(names, s.String())
	}
	return names
}

func report(cmd *cobra.Command, s *state.Store, options reportOptions, name string) error {
	if info, err := os.Stat(options.output); err == nil && info.Mode().IsRegular() && !options.force {
		return cli.Usagef("-o: %s is there already; --force replaces it", options.output)
	}
	found, err := options.find(cmd.Context(), s, name)
	if err != nil {
		return err
	}
	sum, err := s.Summarize(cmd.Context(), found.kind, found.name)
	if err != nil {
		return err
	}
	writing := &progress{out: io.Discard}
	if isTerminal(cmd.ErrOrStderr()) && !isTerminal(cmd.OutOrStdout()) || options.output != "" {
		writing = newProgress(cmd.ErrOrStderr(), "writing", false)
	}
	defer writing.finish()
	var read int64
	err = toFile(options.output, cmd.OutOrStdout(), func(w io.Writer) error {
		out := newRowWriter(w)
		out.csv = options.format == "csv"
		out.header()
		err := s.Report(cmd.Context(), found.kind, found.name, func(r state.Row) error {
			read++
			writing.set(read, max(read, sum.Recipients))
			if options.status != "" && options.status != r.Status.String() {
				return nil
			}
			return out.row(r)
		})
		return errors.Join(err, out.flush(), context.Cause(cmd.Context()))
	})
	if err == nil && read < sum.Recipients {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s settled longer ago than TUMA_RETENTION and left out\n",
			cli.Plural(sum.Recipients-read, "recipient"))
	}
	return err
}

// rowWriter writes rows as CSV or JSON Lines. Errors are kept until flush, as bufio.Writer does.
type rowWriter struct {
	csv    bool
	out    *bufio.Writer
	cells  *intake.CellWriter
	object func(state.Row) error
}

func newRowWriter(w io.Writer) *rowWriter {
	out := bufio.NewWriterSize(w, 1<<16)
	return &rowWriter{
		out: out, cells: intake.NewCellWriter(out),
		object: func(r state.Row) error { return writeObject(out, r) },
	}
}

func (w *rowWriter) header() {
	if w.csv {
		_ = w.cells.Write(reportColumns) // flush reports what went wrong.
	}
}

func (w *rowWriter) row(r state.Row) error {
	if w.csv {
		return w.cells.Write(cells(r))
	}
	err := w.object(r)
	w.text("\n")
	return err
}

func (w *rowWriter) text(text string) { _, _ = w.out.WriteString(text) } // As above.

func (w *rowWriter) flush() error {
	if err := errors.Join(w.cells.Flush(), w.out.Flush()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// writeObject writes a row as one JSON object with the columns of a report, in their order, and the
// history of a recipient that was failed over.
func writeObject(w *bufio.Writer, r state.Row) error {
	for i, cell := range cells(r) {
		value, err := json.Marshal(cell)
		if err != nil {
			return fmt.Errorf("write JSON: %w", err)
		}
		separator := `,"`
		if i == 0 {
			separator = `{"`
		}
		// bufio keeps the first error until flush.
		_, _ = w.WriteString(separator + reportColumns[i] + `":`)
		_, _ = w.Write(value)
	}
	if len(r.History) > 0 {
		history, err := json.Marshal(pastOf(r))
		if err != nil {
			return fmt.Errorf("write JSON: %w", err)
		}
		_, _ = w.WriteString(`,"history":` + string(history))
	}
	return w.WriteByte('}')
}

// toFile calls write with the file of that name, or with standard output when there is none. A
// regular file appears under its name only when it is complete.
func toFile(name string, stdout io.Writer, write func(io.Writer) error) error {
	if name == "" || name == "-" {
		return write(stdout)
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return toDevice(name, write)
	}
	// Only the owner may read a temporary file, which suits a list of phone numbers.
	file, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return cli.Usagef("-o: %w", err)
	}
	err = errors.Join(write(file), file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// toDevice writes to what is no regular file, such as a pipe.
func toDevice(name string, write func(io.Writer) error) error {
	file, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return cli.Usagef("-o: %w", err)
	}
	return errors.Join(write(file), file.Close())
}

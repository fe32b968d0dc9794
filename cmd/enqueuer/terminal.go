package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"tuma/internal/airtime"
	"tuma/internal/app"
)

// progressEvery is the interval of progress lines where no bar can be drawn. What takes less than
// that shows none.
const progressEvery = 2 * time.Second

// isTerminal reports whether people look at what is written there, or type what is read.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// canAsk reports whether somebody is there to answer a question.
func canAsk(cmd *cobra.Command) bool {
	in, ok := cmd.InOrStdin().(*os.File)
	return ok && term.IsTerminal(int(in.Fd())) && isTerminal(cmd.ErrOrStderr())
}

// ask asks a question that is answered with yes or no; anything else than yes is no.
func ask(cmd *cobra.Command, question string) bool {
	fmt.Fprint(cmd.ErrOrStderr(), question+" [y/N] ")
	answer, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n') // No answer is no.
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}

// progress shows how far a step is: a bar on a terminal, elsewhere a line every two seconds. Its
// methods may be called from any goroutine.
type progress struct {
	mu   sync.Mutex
	out  io.Writer
	what string
	bar  *progressbar.ProgressBar
	next time.Time
}

// newProgress starts a step, such as "checking"; the unit is bytes or a plain count.
func newProgress(out io.Writer, what string, bytes bool) *progress {
	p := &progress{out: out, what: what, next: time.Now().Add(progressEvery)}
	if isTerminal(out) {
		p.bar = progressbar.NewOptions64(1, progressbar.OptionSetWriter(out),
			progressbar.OptionSetDescription(what), progressbar.OptionShowCount(),
			progressbar.OptionShowBytes(bytes), progressbar.OptionClearOnFinish(),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionSetRenderBlankState(false))
	}
	return p
}

// set shows how much is done.
func (p *progress) set(done, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		p.bar.ChangeMax64(max(total, 1))
		_ = p.bar.Set64(done) // A bar that cannot be drawn is no reason to stop.
		return
	}
	if now := time.Now(); now.After(p.next) {
		p.next = now.Add(progressEvery)
		fmt.Fprintf(p.out, "%s: %d%% (%d of %d)\n", p.what, 100*done/max(total, 1), done, total)
	}
}

// note writes a line beside the progress.
func (p *progress) note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear() // As above.
	}
	fmt.Fprintf(p.out, format+"\n", args...)
}

// finish takes the bar away.
func (p *progress) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear() // As above.
		p.bar = nil
	}
}

// table lays columns out for people. Columns whose header begins with '#' stand to the right.
type table struct {
	head []string
	rows [][]string
}

func newTable(head ...string) *table { return &table{head: head} }

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// write writes the header and the rows.
func (t *table) write(w io.Writer) {
	widths := make([]int, len(t.head))
	plain := make([]string, len(t.head))
	for i, name := range t.head {
		plain[i] = strings.TrimPrefix(name, "#")
		widths[i] = utf8.RuneCountInString(plain[i])
	}
	for _, row := range t.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	t.line(w, widths, plain)
	for _, row := range t.rows {
		t.line(w, widths, row)
	}
}

func (t *table) line(w io.Writer, widths []int, cells []string) {
	var b strings.Builder
	for i, cell := range cells {
		space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		if strings.HasPrefix(t.head[i], "#") {
			b.WriteString(space + cell)
		} else {
			b.WriteString(cell + space)
		}
		b.WriteString("  ")
	}
	fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
}

// writeJSON writes a value for machines, on one line.
func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

// stamps returns how instants are written: for people at a terminal in TUMA_TIMEZONE, elsewhere in
// UTC.
func stamps(a *app.App, w io.Writer) func(time.Time) string {
	if isTerminal(w) {
		return func(at time.Time) string {
			return at.In(a.Config.Timezone).Format("2006-01-02 15:04:05 MST")
		}
	}
	return utc
}

// utc is how instants are written for programs.
func utc(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// number writes a count.
func number[N int | int64](n N) string { return fmt.Sprintf("%d", n) }

func seconds(d time.Duration) string { return max(time.Second, d.Round(time.Second)).String() }

func orUnknown(reason airtime.Reason) string {
	if reason == airtime.NoReason {
		return "unknown reason"
	}
	return string(reason)
}

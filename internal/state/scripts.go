package state

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"tuma/internal/airtime"
	"tuma/internal/effect"
)

//go:embed lua
var luaFiles embed.FS

// postSettlementChecks are the delays of the queries after a batch has settled: reversals come
// late.
var postSettlementChecks = []time.Duration{time.Hour, 23 * time.Hour}

// scripts holds one script per verb, by the name of its file.
type scripts map[string]*redis.Script

func newScripts(o Options) scripts {
	built := scripts{}
	for verb, text := range scriptTexts(o) {
		built[verb] = redis.NewScript(text)
	}
	return built
}

// scriptTexts returns the scripts of all verbs, by the names of their files.
func scriptTexts(o Options) map[string]string {
	tables, texts := luaTables(o), map[string]string{}
	for _, name := range luaNames("lua/commands") {
		texts[strings.TrimSuffix(path.Base(name), ".lua")] = scriptText(tables, mustRead(name))
	}
	return texts
}

// scriptText puts the tables that Go owns and what a verb includes in front of it, and what writes
// behind it: a verb decides and plans, and wherever it returns, the end is the same.
func scriptText(tables, verb string) string {
	var b strings.Builder
	b.WriteString(tables)
	include(&b, verb, map[string]bool{})
	b.WriteString("local function verb()\n" + verb + "end\n" + mustRead("lua/include/end.lua"))
	return b.String()
}

// include writes the files that a Lua text includes, each behind those that it includes itself, but
// for what is there already.
func include(b *strings.Builder, text string, there map[string]bool) {
	_, line, found := strings.Cut(text, "\n-- include: ")
	if !found {
		return
	}
	line, _, _ = strings.Cut(line, "\n")
	for name := range strings.SplitSeq(line, ", ") {
		if !there[name] {
			there[name] = true
			file := mustRead("lua/include/" + name + ".lua")
			include(b, file, there)
			b.WriteString(file + "\n")
		}
	}
}

func luaNames(dir string) []string {
	entries, err := fs.ReadDir(luaFiles, dir)
	if err != nil {
		panic(err) // The files are part of the program.
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, path.Join(dir, e.Name()))
		}
	}
	slices.Sort(names)
	return names
}

func mustRead(name string) string {
	text, err := luaFiles.ReadFile(name)
	if err != nil {
		panic(err) // The files are part of the program.
	}
	return string(text)
}

// luaTables writes the status table and the settings as Lua.
func luaTables(o Options) string {
	var b strings.Builder
	b.WriteString("local STATUS = {\n")
	for _, s := range airtime.Statuses() {
		fmt.Fprintf(&b, "  %c = {%s},\n", s.Code(), columnsOf(s))
	}
	b.WriteString("}\nlocal PROVIDERS = {\n")
	for _, p := range o.Providers {
		if p.Code != 0 {
			fmt.Fprintf(&b, "  ['%s'] = {%s},\n", p.Name, traits(p))
		}
	}
	b.WriteString("}\n" + guardTables(o.Rules.Guards))
	fmt.Fprintf(&b, "local CODES = '%s'\nlocal CHECK_DELAYS = {", o.sumOfCodes())
	for _, look := range postSettlementChecks {
		fmt.Fprintf(&b, "%d, ", look.Milliseconds())
	}
	fmt.Fprintf(&b, "}\nlocal ZONE = {%s}", zoneOf(o.Timezone))
	fmt.Fprintf(&b, "\nlocal SCHEMA = '%d'\nlocal RETENTION, GUARD, FENCING = %d, %d, %d\n", schema,
		o.Retention.Milliseconds(), o.Guard.Milliseconds(), (o.SubmitTimeout + o.Guard).Milliseconds())
	return b.String()
}

// zoneOf writes from when on which offset to UTC holds in a time zone, in ms. The years before and
// behind the first and the last of the list are no time of a disbursal.
func zoneOf(zone *time.Location) string {
	if zone == nil {
		zone = time.UTC
	}
	var b strings.Builder
	at, end := time.Date(2020, 1, 1, 0, 0, 0, 0, zone), time.Date(2060, 1, 1, 0, 0, 0, 0, zone)
	last := math.MinInt
	for !at.IsZero() && at.Before(end) {
		if _, offset := at.Zone(); offset != last {
			fmt.Fprintf(&b, "{%d, %d}, ", at.UnixMilli(), int64(offset)*1000)
			last = offset
		}
		_, next := at.ZoneBounds()
		if !next.IsZero() && !next.After(at) { // On the last day of a leap year.
			next = at.AddDate(0, 0, 1)
		}
		at = next
	}
	return b.String()
}

// columnsOf writes what the table of statuses says of one, without what does not hold.
func columnsOf(s airtime.Status) string {
	text := fmt.Sprintf("name = '%s', rank = %d, yields_to = '%s'", s, s.Rank(), yieldsTo(s))
	if s.Settled() {
		text += ", settled = true"
	}
	if s.InFlight() {
		text += ", in_flight = true"
	}
	if s.Live() {
		text += ", live = true"
	}
	if s.Spends() {
		text += ", spends = true"
	}
	return text
}

// yieldsTo lists the codes of what replaces a status in the same batch.
func yieldsTo(now airtime.Status) (codes string) {
	for _, seen := range airtime.Statuses() {
		if seen != now && airtime.Merge(now, seen) == seen {
			codes += string(seen.Code())
		}
	}
	return codes
}

// runner is a client or one pinned connection.
type runner = redis.Scripter

// run runs a verb. Scripts that Redis has lost (SCRIPT FLUSH, failover) are sent again.
func (s *Store) run(ctx context.Context, on runner, verb string, args ...any) (any, error) {
	return s.rounds(ctx, on, verb, func(call script) (any, error) { return call(args...) })
}

// script calls the script of a verb.
type script func(args ...any) (any, error)

// rounds runs a verb that may call its script several times, as one effect.
func (s *Store) rounds(
	ctx context.Context, on runner, verb string, body func(call script) (any, error),
) (any, error) {
	var reply any
	err := effect.Do(ctx, verb, func() (err error) {
		reply, err = body(func(args ...any) (any, error) {
			return s.scripts[verb].Run(ctx, on, s.keys.script(), args...).Result()
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", verb, s.noticed(readable(err)))
	}
	return reply, nil
}

// readable turns Redis's words for a full memory into ErrFull, and the scripts' for a layout that
// they do not know into ErrLayout.
func readable(err error) error {
	if _, found, other := strings.Cut(err.Error(), layoutPrefix); other {
		found, _, _ = strings.Cut(found, " ")
		return layoutError(found)
	}
	if strings.Contains(err.Error(), "OOM command not allowed") {
		return ErrFull
	}
	return err
}

// reply reads the nested arrays that scripts return. A shape that a script never returns is a bug
// in this package, and panics.
type reply []any

func (r reply) text(i int) string { s, _ := r[i].(string); return s }
func (r reply) int(i int) int     { n, _ := r[i].(int64); return int(n) }
func (r reply) list(i int) reply  { l, _ := r[i].([]any); return l }

func asList(v any) reply { l, _ := v.([]any); return l }

func millis(n int) time.Duration { return time.Duration(n) * time.Millisecond }

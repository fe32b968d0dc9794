package state_test

import (
	"bufio"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
	"tuma/internal/test/redistest"
)

// TestAnImportWritesLittle counts the bytes of the append-only file that a thousand recipients take
// from their acceptance until they have settled: those of results, and all others.
func TestAnImportWritesLittle(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.WithConfig("appendonly", "yes"),
		redistest.WithConfig("auto-aof-rewrite-percentage", "0"))
	s := openWith(t, optionsAt(server.URL()))
	d := disbursal("salaries-of-november", 1000)
	d.Import = "salaries-of-november"
	j := &journey{s: s, lists: [][]state.Disbursal{{d}}}
	written := func() map[string]int { return appended(t, server) }
	last := written()
	for _, verb := range verbs {
		before := last
		require.NoError(t, j.run(background, verb))
		last = written()
		for command, n := range last {
			if n > before[command] {
				t.Logf("%s: %s %d bytes", verb, command, n-before[command])
			}
		}
	}
	require.Equal(t, airtime.Successful, rows(t, s, d.Reference)[0].Status)
	all := 0
	for command, n := range last {
		if command != "XADD" {
			all += n
		}
	}
	t.Logf("%d bytes a recipient beside %d of results", all/1000, last["XADD"]/1000)
	require.Less(t, all/1000, 60)
}

// TestAnOpenRecipientTakesLittle sums the memory of all keys while many recipients are open.
func TestAnOpenRecipientTakesLittle(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	j := &journey{s: s}
	for j.round = range 10 {
		j.lists = append(j.lists, bulk(strconv.Itoa(j.round)+"-", 1000))
		for _, verb := range []string{"accept", "claim", "begin", "record"} {
			require.NoError(t, j.run(background, verb))
		}
	}
	names, err := s.Client().Keys(background, s.Key("*", "")).Result()
	require.NoError(t, err)
	sum := int64(0)
	for _, name := range names {
		n, err := s.Client().MemoryUsage(background, name, 0).Result()
		require.NoError(t, err)
		sum += n
	}
	t.Logf("%d bytes an open recipient", sum/10_000)
	require.Less(t, sum/10_000, int64(45))
}

// appended is the number of bytes in the append-only file of a server, by command and kind of key.
func appended(t *testing.T, server *redistest.Server) map[string]int {
	dir := server.Client(t).ConfigGet(background, "dir").Val()["dir"]
	files, err := filepath.Glob(filepath.Join(dir, "appendonlydir", "*.incr.aof"))
	require.NoError(t, err)
	sort.Strings(files)
	sizes := map[string]int{}
	for _, name := range files {
		file, err := os.Open(name)
		require.NoError(t, err)
		reader := bufio.NewReaderSize(file, 1<<20)
		for {
			command, size, err := readAppended(reader)
			if err != nil {
				break
			}
			what := command[0]
			if len(command) > 1 {
				what += " " + strings.Split(command[1], ":")[1%len(strings.Split(command[1], ":"))]
			}
			if command[0] == "XADD" {
				what = "XADD"
			}
			sizes[what] += size
		}
		require.NoError(t, file.Close())
	}
	return sizes
}

// readAppended reads one command, and its length.
func readAppended(r *bufio.Reader) ([]string, int, error) {
	size := 0
	number := func() (int, error) {
		line, err := r.ReadString('\n')
		size += len(line)
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(strings.TrimSpace(line[1:]))
	}
	n, err := number()
	if err != nil {
		return nil, 0, err
	}
	words := make([]string, n)
	for i := range words {
		length, err := number()
		if err != nil {
			return nil, 0, err
		}
		text := make([]byte, length+2)
		for read := 0; read < len(text); {
			k, err := r.Read(text[read:])
			if err != nil {
				return nil, 0, err
			}
			read += k
		}
		size += len(text)
		words[i] = string(text[:length])
	}
	return words, size, nil
}

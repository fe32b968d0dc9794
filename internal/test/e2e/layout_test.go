package e2e_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/test/proctest"
)

// newer is a command line of a version whose layout is the next one.
var newer = &proctest.Variant{
	Name: "newer", Command: cmdEnqueuer, Slow: true,
	Breaks: []string{"the next layout"},
}

// stored reads everything that the state holds.
func (h *harness) stored() map[string]string {
	h.t.Helper()
	names, err := h.rdb.Keys(h.t.Context(), "{tuma}:*").Result()
	require.NoError(h.t, err)
	require.NotEmpty(h.t, names)
	dumps := map[string]string{}
	for _, name := range names {
		dumps[name] = h.rdb.Dump(h.t.Context(), name).Val()
	}
	return dumps
}

// TestTwoLayoutsBesideEachOther lets a newer version take a namespace over: programs of this one do
// not start, and those that run end, without another write.
func TestTwoLayoutsBesideEachOther(t *testing.T) {
	t.Parallel()
	h := newHarness(t, setup{})
	path, _ := writeFile(t, "file", 100, 3)
	h.launch(newer.Build(t), []string{"import", path, "--reference", "file"}, h.environment).
		Wait(testTimeout)
	before := h.stored()
	const says = "it is layout 2, and this program knows layout 1"
	for _, arguments := range [][]string{
		{"import", path, "--reference", "file"}, {"stream"}, {"cancel", "file"}, {"verify"},
	} {
		require.Contains(t, h.must(2, arguments...).errors, says)
	}
	for _, command := range []string{cmdWorker, cmdPoller} {
		p := h.start(command)
		require.Equal(t, 2, p.Wait(testTimeout), p.Output())
		require.Contains(t, p.Output(), says)
	}
	doctor := h.must(1, "doctor", "--only", "layout,books")
	require.Contains(t, doctor.out, says)
	require.Equal(t, before, h.stored())

	require.NoError(t, h.rdb.FlushDB(t.Context()).Err())
	worker := h.start(cmdWorker)
	worker.WaitOutput("serving", testTimeout)
	h.must(0, "import", path, "--reference", "file", "--provider", "sozuri")
	require.Equal(t, "1", h.rdb.HGet(t.Context(), stateKey, "schema").Val())
	require.NoError(t, h.rdb.HSet(t.Context(), stateKey, "schema", 2).Err())
	require.Equal(t, 2, worker.Wait(testTimeout), worker.Output())
	require.Contains(t, worker.Output(), says)
}

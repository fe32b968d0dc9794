package ops_test

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/test/pagetest"
)

// family is what a process tells about one metric.
type family struct {
	kind, help string
	labels     map[string]bool
}

var (
	labelled  = regexp.MustCompile(`^(tuma_[a-z_]+)\{(.*)\} `)
	labelName = regexp.MustCompile(`([a-z_]+)="[^"]*"`)
	suffix    = regexp.MustCompile(`_(bucket|sum|count)$`)
)

// families reads the metrics of ours from a metrics page.
func families(page string, into map[string]*family) {
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		words := strings.SplitN(line, " ", 4)
		if len(words) == 4 && words[0] == "#" && strings.HasPrefix(words[2], "tuma_") {
			name := words[2]
			if into[name] == nil {
				into[name] = &family{labels: map[string]bool{}}
			}
			if words[1] == "HELP" {
				into[name].help = words[3]
			} else {
				into[name].kind = words[3]
			}
			continue
		}
		match := labelled.FindStringSubmatch(line)
		if match == nil {
			continue
		}
		of := into[match[1]]
		if of == nil {
			of = into[suffix.ReplaceAllString(match[1], "")]
		}
		for _, label := range labelName.FindAllStringSubmatch(match[2], -1) {
			if label[1] != "le" {
				of.labels[label[1]] = true
			}
		}
	}
}

// page holds the table of docs/observability.md against what the processes tell about themselves.
func (h *harness) page(t *testing.T) {
	t.Helper()
	told := map[string]*family{}
	for _, addresses := range h.pages {
		for _, address := range addresses {
			status, body := get(t, "http://"+address+"/metrics")
			require.Equal(t, http.StatusOK, status)
			families(body, told)
		}
	}
	rows := [][]string{{"metric", "type", "labels", "meaning"}}
	for _, name := range slices.Sorted(maps.Keys(told)) {
		labels := "–"
		if len(told[name].labels) > 0 {
			labels = "`" + strings.Join(slices.Sorted(maps.Keys(told[name].labels)), "`, `") + "`"
		}
		rows = append(rows, []string{"`" + name + "`", told[name].kind, labels, told[name].help})
	}
	pagetest.Part(t, "docs/observability.md", "metrics", pagetest.Table(rows...))
}

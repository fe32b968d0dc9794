package intake

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"regexp"
	"slices"
	"strings"
)

// keyOf finds a key: only keys are followed by a colon, and within a string the quotes would be
// escaped.
func keyOf(name string) *regexp.Regexp { return regexp.MustCompile(`"` + name + `"\s*:`) }

var (
	recipientsKey = keyOf("recipients")
	referenceKey  = keyOf("reference")
	reportKeys    = []*regexp.Regexp{keyOf("status"), keyOf("batch")}
)

// jsonLines reads jobs or rows, one JSON object per line; the first line decides which.
type jsonLines struct {
	lines          *lines
	start          *numbered // The first line, until it is read.
	known, ignored []string
	jobs, report   bool
	referenced     bool
	rejects        io.Writer
}

func openJSONLines(from *lines, first numbered, rejects io.Writer) *jsonLines {
	line := []byte(first.text)
	j := &jsonLines{
		lines: from, start: &first, rejects: rejects, jobs: recipientsKey.Match(line),
		known: rowChoice, ignored: []string{reasonField},
	}
	j.report = !j.jobs && !slices.ContainsFunc(reportKeys, func(key *regexp.Regexp) bool {
		return !key.Match(line)
	})
	if j.report {
		j.known, j.ignored = rowFields, reportFields
	}
	j.referenced = j.jobs || !j.report && referenceKey.Match(line)
	return j
}

func (j *jsonLines) traits() traits {
	return traits{jobs: j.jobs, report: j.report, referenced: j.referenced}
}

func (j *jsonLines) next(ctx context.Context) (entry, error) {
	if first := j.start; first != nil {
		j.start = nil
		return entry{number: first.number, text: []byte(first.text)}, nil
	}
	line, err := nextFilled(ctx, j.lines)
	return entry{number: j.lines.number, text: line}, err
}

// nextFilled returns the next line that is not blank, without the spaces around it.
func nextFilled(ctx context.Context, from *lines) ([]byte, error) {
	for {
		line, err := from.next(ctx)
		if err != nil {
			return nil, err
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			return line, nil
		}
	}
}

func (j *jsonLines) row(e entry, faults *findings) (row rowText, known bool) {
	p := newParser(e.text, faults)
	p.ignored = j.ignored
	p.document(func() {
		p.object("", j.known, func(field int) {
			if field == rowAmount {
				row.of[field], _ = p.decimal(rowFields[field])
			} else {
				row.of[field], _ = p.string(rowFields[field])
			}
			row.of[field] = strings.TrimSpace(row.of[field])
		})
	})
	return row, !faults.unreadable
}

func (j *jsonLines) reject(e entry, reason string) error {
	_, err := j.rejects.Write(rejectedObject(e.text, reason))
	return err
}

func (j *jsonLines) end() error { return nil }

func (j *jsonLines) hash() string { return j.lines.contentHash() }

func (j *jsonLines) close() error { return nil }

// rejectedObject is the line with the reason as its last field. It is spliced as text, so that the
// object stays as it came, to the last faulty detail.
func rejectedObject(line []byte, reason string) []byte {
	quoted := quoteJSON(reason)
	if !json.Valid(line) || line[0] != '{' {
		return []byte(`{"unreadable":` + quoteJSON(string(line)) + `,"reason":` + quoted + "}\n")
	}
	body := strings.TrimSpace(string(line[1 : len(line)-1]))
	if body != "" {
		body += ","
	}
	return []byte("{" + body + `"reason":` + quoted + "}\n")
}

func quoteJSON(text string) string {
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // Strings always encode, and a Builder does not fail.
	return strings.TrimSuffix(out.String(), "\n")
}

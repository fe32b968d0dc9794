// Package logs builds the logger and masks what reaches a line by accident. Secrets are
// config.Secret and phone numbers airtime.MSISDN, which mask themselves; what gets into a line in
// another way, in the text of an error for example, is masked here. summed.go sums up lines that
// repeat.
package logs

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"tuma/internal/airtime"
)

// leastSecret is the length from which on a secret is looked for, in bytes: a shorter one would
// be found in the middle of words.
const leastSecret = 8

const hidden = "[secret]"

// Secrets are what no line may have in it.
type Secrets struct {
	// List returns them as they are now.
	List func() []string
	// Changes counts how often one of them was replaced: List is asked again only after that, since
	// every line is searched for all of them. Nil means that they stay.
	Changes func() uint64
}

// Masked wraps a core so that no line has a phone number or one of the secrets in it.
func Masked(core zapcore.Core, secrets Secrets) zapcore.Core {
	if secrets.Changes == nil {
		secrets.Changes = func() uint64 { return 0 }
	}
	return &masked{core, &hider{secrets: secrets}}
}

type masked struct {
	zapcore.Core
	hider *hider // Shared by all that With has made.
}

// With keeps fields for all further lines.
func (m *masked) With(fields []zapcore.Field) zapcore.Core {
	return &masked{m.Core.With(m.hider.now().fields(fields)), m.hider}
}

// Check adds the core to the entries that are enabled.
func (m *masked) Check(e zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if m.Enabled(e.Level) {
		return to.AddCore(e, m)
	}
	return to
}

// Write masks a line and passes it on.
func (m *masked) Write(e zapcore.Entry, fields []zapcore.Field) error {
	hide := m.hider.now()
	e.Message, e.Stack = hide.text(e.Message), hide.text(e.Stack)
	return m.Core.Write(e, hide.fields(fields))
}

// hider keeps what lines are masked with for as long as the secrets stay the same.
type hider struct {
	secrets Secrets
	built   atomic.Pointer[hiding]
}

// now is what a line is masked with that is written now.
func (h *hider) now() hiding {
	changes := h.secrets.Changes() // Before they are read: a later change builds it again.
	if built := h.built.Load(); built != nil && built.changes == changes {
		return *built
	}
	built := &hiding{changes, replacer(h.secrets.List())}
	h.built.Store(built)
	return *built
}

// hiding is what a line is masked with.
type hiding struct {
	changes uint64
	secrets *strings.Replacer
}

func replacer(secrets []string) *strings.Replacer {
	var pairs []string
	for _, secret := range secrets {
		if len(secret) < leastSecret {
			continue
		}
		quoted := strconv.Quote(secret)
		pairs = append(pairs, secret, hidden, url.QueryEscape(secret), hidden,
			url.PathEscape(secret), hidden, quoted[1:len(quoted)-1], hidden)
	}
	return strings.NewReplacer(pairs...)
}

func (h hiding) text(text string) string { return airtime.MaskText(h.secrets.Replace(text)) }

// fields masks fields. What is no plain value is written out first.
func (h hiding) fields(fields []zapcore.Field) []zapcore.Field {
	list := make([]zapcore.Field, 0, len(fields))
	for _, f := range fields {
		switch f.Type {
		case zapcore.StringType:
			f.String = h.text(f.String)
			list = append(list, f)
		case zapcore.Int64Type, zapcore.Int32Type, zapcore.Uint64Type, zapcore.Uint32Type:
			if number := strconv.FormatInt(f.Integer, 10); h.text(number) != number {
				f = zap.String(f.Key, h.text(number))
			}
			list = append(list, f)
		case zapcore.BoolType, zapcore.DurationType, zapcore.TimeType, zapcore.TimeFullType,
			zapcore.NamespaceType, zapcore.SkipType:
			list = append(list, f)
		default:
			list = append(list, h.written(f)...)
		}
	}
	return list
}

// written writes a field out and masks what comes of it; an inline one becomes several.
func (h hiding) written(f zapcore.Field) (list []zapcore.Field) {
	out := zapcore.NewMapObjectEncoder()
	f.AddTo(out)
	for _, key := range slices.Sorted(maps.Keys(out.Fields)) {
		list = append(list, zap.Any(h.text(key), h.value(out.Fields[key])))
	}
	return list
}

// value masks every text and number in a value. One that has no JSON is left out.
func (h hiding) value(value any) any {
	if b, isBytes := value.([]byte); isBytes {
		value = string(b)
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return "not shown: " + h.text(err.Error())
	}
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.UseNumber()
	var plain any
	if err := decoder.Decode(&plain); err != nil {
		return "not shown: " + h.text(err.Error())
	}
	return h.plain(plain)
}

// plain masks what JSON was decoded to.
func (h hiding) plain(value any) any {
	switch v := value.(type) {
	case string:
		return h.text(v)
	case json.Number:
		if shown := h.text(v.String()); shown != v.String() {
			return shown
		}
		return v
	case []any:
		for i := range v {
			v[i] = h.plain(v[i])
		}
		return v
	case map[string]any:
		plain := make(map[string]any, len(v))
		for key, inner := range v {
			plain[h.text(key)] = h.plain(inner)
		}
		return plain
	default: // True, false and null.
		return value
	}
}

package logs

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Summed returns a logger for what strangers can make happen as often as they like. Of the lines
// with the same message, and the same values under the keys in by, the first is written at once.
// Those of the pace behind it are one line at its end: the last of them, with how many they were as
// repeated. So a flood costs a line per pace, and nothing of it is masked in vain.
func Summed(log *zap.Logger, pace time.Duration, by ...string) *zap.Logger {
	shared := &sums{pace: pace, by: by, kinds: map[string]*sum{}}
	return log.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return &summed{core, shared}
	}))
}

// sums are the lines that are waited with, by kind.
type sums struct {
	pace time.Duration
	by   []string

	mu    sync.Mutex // Guards kinds.
	kinds map[string]*sum
}

// sum is what came of one kind since its last line. Without anything a pace long it is forgotten.
type sum struct {
	more  int
	write func(more int) // Writes the last of them.
}

type summed struct {
	zapcore.Core
	*sums
}

// With keeps fields for all further lines.
func (s *summed) With(fields []zapcore.Field) zapcore.Core {
	return &summed{s.Core.With(fields), s.sums}
}

// Check adds the core to the entries that are enabled.
func (s *summed) Check(e zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if s.Enabled(e.Level) {
		return to.AddCore(e, s)
	}
	return to
}

// Write writes the first line of a kind, and counts those that follow.
func (s *summed) Write(e zapcore.Entry, fields []zapcore.Field) error {
	kind := s.kindOf(e.Message, fields)
	s.mu.Lock()
	defer s.mu.Unlock()
	if waiting := s.kinds[kind]; waiting != nil {
		waiting.more++
		waiting.write = func(more int) {
			_ = s.Core.Write(e, append(fields, zap.Int("repeated", more))) // As zap does with its own.
		}
		return nil
	}
	s.kinds[kind] = &sum{}
	time.AfterFunc(s.pace, func() { s.flush(kind) })
	return s.Core.Write(e, fields)
}

// flush writes what has come of a kind since its last line.
func (s *sums) flush(kind string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting := s.kinds[kind]
	if waiting.more == 0 {
		delete(s.kinds, kind)
		return
	}
	waiting.write(waiting.more)
	s.kinds[kind] = &sum{}
	time.AfterFunc(s.pace, func() { s.flush(kind) })
}

func (s *sums) kindOf(message string, fields []zapcore.Field) string {
	var kind strings.Builder
	kind.WriteString(message)
	for _, f := range fields {
		if slices.Contains(s.by, f.Key) {
			fmt.Fprintf(&kind, "\x00%s\x00%s%d", f.Key, f.String, f.Integer)
		}
	}
	return kind.String()
}

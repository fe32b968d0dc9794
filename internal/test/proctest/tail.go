package proctest

import "sync"

// tail is a writer that keeps the last bytes written to it.
type tail struct {
	mu    sync.Mutex
	limit int
	bytes []byte
}

func newTail(limit int) *tail { return &tail{limit: limit} }

// Write never fails: a child must not block or die because its output is long.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bytes = append(t.bytes, p...)
	// Twice the limit is allowed in between, so that the copy is rare.
	if len(t.bytes) > 2*t.limit {
		t.bytes = append([]byte(nil), t.bytes[len(t.bytes)-t.limit:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return last(string(t.bytes), t.limit)
}

// last returns at most the last limit bytes of text.
func last(text string, limit int) string { return text[max(0, len(text)-limit):] }

package api

import (
	"context"
	"sync"
	"time"

	"tuma/internal/state"
)

const (
	// feedStep is how many results are read of the state at once.
	feedStep = 1000
	// feedPace is how often the state is asked for new results while readers wait for any.
	feedPace = 200 * time.Millisecond
)

// feed tells readers that wait for results when some of theirs have come. However many wait, the
// state is asked once for all of them, and not at all while none does.
type feed struct {
	read func(ctx context.Context, after string, count int) (state.ResultsPage, error)
	// stopping is closed when the listener stops: readers are answered then.
	stopping chan struct{}
	stop     func()

	mu       sync.Mutex // Guards what follows.
	readers  map[*reader]struct{}
	watching bool
	// looked is the last result that readers have been told of, while it is watched.
	looked string
}

// reader waits for results of a producer, or of all without one.
type reader struct {
	producer string
	// news gets a value when there are some, and holds one. It is closed when the state could not
	// tell, which err says.
	news chan struct{}
	err  error
}

func newFeed(read func(context.Context, string, int) (state.ResultsPage, error)) *feed {
	f := &feed{read: read, stopping: make(chan struct{}), readers: map[*reader]struct{}{}}
	f.stop = sync.OnceFunc(func() { close(f.stopping) })
	return f
}

// join lets a reader wait that has seen all up to a result. It must look once more: of what is not
// there then, it is told.
func (f *feed) join(producer, seen string) *reader {
	r := &reader{producer: producer, news: make(chan struct{}, 1)}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.readers[r] = struct{}{}
	if !f.watching {
		f.watching, f.looked = true, seen
		go f.watch()
	}
	return r
}

// leave ends the waiting of a reader that has looked up to a result, and returns up to which one
// there was nothing for it.
func (f *feed) leave(r *reader, seen string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, waits := f.readers[r]; waits && state.OlderResult(seen, f.looked) {
		seen = f.looked
	}
	delete(f.readers, r)
	return seen
}

// watch asks the state for new results until no reader waits, or the state cannot tell.
func (f *feed) watch() {
	for more := false; ; {
		if !more {
			time.Sleep(feedPace)
		}
		looked, waited := f.position()
		if !waited {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), storeLimit)
		page, err := f.read(ctx, looked, feedStep)
		cancel()
		if err != nil {
			f.fail(err)
			return
		}
		f.tell(page)
		more = page.More
	}
}

// position is the last result that was looked at, unless no reader waits any longer.
func (f *feed) position() (looked string, waited bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watching = len(f.readers) > 0
	return f.looked, f.watching
}

// tell tells readers whose results are on a page.
func (f *feed) tell(page state.ResultsPage) {
	producers := map[string]bool{}
	for i := range page.Results {
		producers[page.Results[i].Producer] = true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looked = page.Next
	for r := range f.readers {
		if producers[r.producer] || r.producer == "" && len(producers) > 0 {
			select {
			case r.news <- struct{}{}:
			default: // It has not heard the last one yet.
			}
		}
	}
}

// fail tells all readers that the state cannot tell.
func (f *feed) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watching = false
	for r := range f.readers {
		r.err = err
		close(r.news)
	}
	clear(f.readers)
}

// Package effect wraps every effect that a process has outside of itself: a verb of the state, a
// request to a provider, a trigger. In programs it only runs the effect. Tests intercept it: they
// end the process before or after the effect, lose its reply, repeat it, or let another process run
// first. An effect that does not go through this package is not covered by those tests.
package effect

import "context"

// Interceptor decides what becomes of an effect: it may run it, not run it, or run it and hide how
// it went. The context is the one that the effect was begun with.
type Interceptor func(ctx context.Context, name string, run func() error) error

var interceptor Interceptor

// Intercept puts i between the process and all of its effects. It must be called before the
// process has any; nil takes it away.
func Intercept(i Interceptor) { interceptor = i }

// Do runs an effect. The name is the same for ever: tests name the moments before and after it.
func Do(ctx context.Context, name string, run func() error) error {
	if interceptor == nil {
		return run()
	}
	return interceptor(ctx, name, run)
}

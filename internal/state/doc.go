// Package state is the truth about every recipient, and the only package that speaks Redis. Each
// verb is one Lua script in lua/: atomic, guarded, and safe to repeat, since the client repeats a
// script after a network error. Time comes from Redis inside the scripts, never from a process's
// clock.
package state

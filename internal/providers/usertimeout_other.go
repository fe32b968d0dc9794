//go:build !linux

package providers

import "time"

// setUserTimeout does nothing where the kernel has no TCP_USER_TIMEOUT.
func setUserTimeout(uintptr, time.Duration) error { return nil }

//go:build !linux

package proctest

import (
	"syscall"
	"time"
)

// dieWithParent has nothing to ask for: only Linux kills children with their parent. Elsewhere a
// killed test binary leaves its children behind.
func dieWithParent() *syscall.SysProcAttr { return nil }

// awaitFrozen allows the signal a moment: there is no portable way to see that it has arrived.
func awaitFrozen(*Process) error {
	time.Sleep(50 * time.Millisecond)
	return nil
}

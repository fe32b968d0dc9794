// Command hello greets its first argument; the test of Build builds it.
package main

import (
	"fmt"
	"os"
)

func main() { fmt.Println("hello", os.Args[1]) }

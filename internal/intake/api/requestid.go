package api

import (
	"net/http"
	"regexp"

	"github.com/google/uuid"

	"tuma/internal/airtime"
)

// requestIDHeader names a request, in the log of whoever sends it and in ours.
const requestIDHeader = "X-Request-Id"

// requestIDs are those that are taken over from a client.
var requestIDs = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,64}$`)

// requestID is the name that the client gave a request, or a new one when it gave none, one that is
// no name, or one with a phone number in it.
func requestID(r *http.Request) string {
	id := r.Header.Get(requestIDHeader)
	if requestIDs.MatchString(id) && airtime.MaskText(id) == id {
		return id
	}
	made, err := uuid.NewV7()
	if err != nil {
		return "" // A request without a name is better than none.
	}
	return made.String()
}

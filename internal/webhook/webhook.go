// Package webhook posts results to the endpoints of producers by the Standard Webhooks convention:
// webhook.go signs and writes the body, sender.go makes the request, address.go says to which
// addresses. It reports what came of a request; it never retries and keeps nothing.
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// The headers of the convention.
const (
	HeaderID        = "webhook-id"
	HeaderTimestamp = "webhook-timestamp"
	HeaderSignature = "webhook-signature"
)

// SecretPrefix is before each secret in a file.
const SecretPrefix = "whsec_"

const (
	// The bounds of a secret, in bytes, are the convention's.
	shortestSecret, longestSecret = 24, 64
	// mostSecrets is how many sign while one takes the place of another.
	mostSecrets = 2
)

// Secrets sign requests: one, or two while one takes the place of the other.
type Secrets [][]byte

// ParseSecrets reads secrets, one a line. An error says what is allowed, and shows no secret.
func ParseSecrets(text string) (Secrets, error) {
	var secrets Secrets
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		secret, err := parseSecret(line)
		if err != nil {
			return nil, err
		}
		secrets = append(secrets, secret)
	}
	if len(secrets) == 0 || len(secrets) > mostSecrets {
		return nil, fmt.Errorf("must hold one secret, or two lines while one takes the place of the "+
			"other; it holds %d", len(secrets))
	}
	return secrets, nil
}

func parseSecret(line string) ([]byte, error) {
	encoded, prefixed := strings.CutPrefix(line, SecretPrefix)
	secret, err := base64.StdEncoding.DecodeString(encoded)
	if !prefixed || err != nil || len(secret) < shortestSecret || len(secret) > longestSecret {
		return nil, fmt.Errorf("must hold lines of %s and %d to %d bytes in base64: "+
			`printf 'whsec_%%s\n' "$(openssl rand -base64 32)"`, SecretPrefix, shortestSecret,
			longestSecret)
	}
	return secret, nil
}

// Sign returns the signatures of a request, one for each secret.
func (s Secrets) Sign(id string, at time.Time, body []byte) string {
	signatures := make([]string, len(s))
	for i, secret := range s {
		mac := hmac.New(sha256.New, secret)
		fmt.Fprintf(mac, "%s.%d.", id, at.Unix())
		mac.Write(body)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return strings.Join(signatures, " ")
}

// The types of events.
const (
	TypeSettled   = "recipient.settled"
	TypeCorrected = "recipient.corrected"
)

// event is the body of a request.
type event struct {
	Type      string            `json:"type"`
	Timestamp string            `json:"timestamp"`
	Data      map[string]string `json:"data"`
}

// Body writes the body for the fields of a result, as the producer is to read them.
func Body(fields map[string]string) []byte {
	e := event{Type: TypeSettled, Timestamp: fields["at"], Data: fields}
	if fields["corrected"] == "true" {
		e.Type = TypeCorrected
	}
	body, _ := json.Marshal(e) // Texts: it cannot fail.
	return body
}

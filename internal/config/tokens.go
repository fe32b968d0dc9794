package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Scope is what a token of the HTTP inlet permits.
type Scope string

// The scopes. A token for which none is named has them all.
const (
	// ScopeSend permits handing in jobs.
	ScopeSend Scope = "send"
	// ScopeRead permits asking for disbursals, recipients and results.
	ScopeRead Scope = "read"
	// ScopeCancel permits withdrawing disbursals.
	ScopeCancel Scope = "cancel"
)

var allScopes = []Scope{ScopeSend, ScopeRead, ScopeCancel}

// Token lets a producer use the HTTP inlet.
type Token struct {
	Producer string
	Scopes   []Scope
	// Sum is the SHA-256 of what the producer sends.
	Sum [sha256.Size]byte
	// Plain is what the producer sends; empty where the settings have the hash only.
	Plain string
}

// Permits reports whether the token has a scope.
func (t Token) Permits(scope Scope) bool { return slices.Contains(t.Scopes, scope) }

// hashPrefix stands before the hash of a token.
const hashPrefix = "sha256:"

// producerName is also the start of the references that the producer's disbursals get.
var producerName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,32}$`)

// ParseTokens reads producer=token pairs, separated by commas or line ends. The scopes of a token
// may follow its producer (producer:send+read=token), and sha256: and its hash in hex may stand for
// it. A producer may have several tokens, so that one can be replaced. An error is returned when a
// pair is not one, or when two pairs have the same token; it shows no token.
func ParseTokens(text string) ([]Token, error) {
	var tokens []Token
	producers := map[[sha256.Size]byte]string{}
	separator := func(c rune) bool { return c == ',' || c == '\n' || c == '\r' }
	for pair := range strings.FieldsFuncSeq(text, separator) {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		token, err := parseToken(pair)
		if err != nil {
			return nil, err
		}
		if other, taken := producers[token.Sum]; taken {
			return nil, fmt.Errorf("gives %s and %s the same token", other, token.Producer)
		}
		producers[token.Sum] = token.Producer
		tokens = append(tokens, token)
	}
	if len(tokens) == 0 {
		return nil, errors.New("must hold at least one producer=token pair")
	}
	return tokens, nil
}

func parseToken(pair string) (t Token, err error) {
	whose, token, _ := strings.Cut(pair, "=")
	producer, scopes, scoped := strings.Cut(strings.TrimSpace(whose), ":")
	token = strings.TrimSpace(token)
	t.Producer = strings.TrimSpace(producer)
	if !producerName.MatchString(t.Producer) || token == "" {
		return t, errors.New("must be producer=token pairs with commas between them;" +
			" producers have 1 to 32 letters, digits, dots, dashes and underscores")
	}
	t.Scopes = allScopes
	if scoped {
		if t.Scopes, err = parseScopes(scopes); err != nil {
			return t, fmt.Errorf("the scopes of producer %s %w", t.Producer, err)
		}
	}
	digest, hashed := strings.CutPrefix(token, hashPrefix)
	if !hashed {
		t.Plain, t.Sum = token, sha256.Sum256([]byte(token))
		return t, nil
	}
	sum, err := hex.DecodeString(digest)
	if err != nil || len(sum) != len(t.Sum) {
		return t, fmt.Errorf("the hash of producer %s must be %s and %d hexadecimal digits: "+
			"printf %%s TOKEN | sha256sum", t.Producer, hashPrefix, 2*len(t.Sum))
	}
	t.Sum = [sha256.Size]byte(sum)
	return t, nil
}

// parseScopes reads scopes with plus signs between them.
func parseScopes(text string) (list []Scope, err error) {
	for word := range strings.SplitSeq(text, "+") {
		scope := Scope(strings.TrimSpace(word))
		if !slices.Contains(allScopes, scope) || slices.Contains(list, scope) {
			return nil, errors.New("must be send, read and cancel, each at most once, with plus " +
				"signs between them: producer:send+read=token")
		}
		list = append(list, scope)
	}
	return list, nil
}

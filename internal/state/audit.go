package state

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"tuma/internal/airtime"
)

// AuditEntry is one decision of a person or producer. It holds no phone number.
type AuditEntry struct {
	// At is when it was taken: RFC 3339 with milliseconds, UTC, by Redis's clock.
	At string
	// Who took it, unknown where nothing says so; What it was (import, cancel, resolve, erase,
	// channel_pause, channel_resume, campaign_pause, campaign_resume, campaign_rate, float_set); and
	// the Name that it is about: a reference, an import, a campaign, a provider, what stands for an
	// erased number.
	Who, What, Name string
	// Detail has the note, counts and evidence as logfmt.
	Detail string
	// Hash is the SHA-256, in hex, of the hash before and of all that.
	Hash string
}

// noHash stands for the hash before the first entry.
var noHash = strings.Repeat("0", hex.EncodedLen(sha256.Size))

// hashAfter is the hash that the entry has behind another.
func (e AuditEntry) hashAfter(before string) string {
	lines := []string{before, e.At, e.Who, e.What, e.Name, e.Detail, ""}
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:])
}

// String names an entry for people.
func (e AuditEntry) String() string {
	return fmt.Sprintf("%s of %s by %s at %s", e.What, e.Name, e.Who, e.At)
}

// maxDetail bounds the detail of an entry, in bytes: a thousand positions and a note.
const maxDetail = 16 << 10

// auditText makes a text fit for the audit: one line, without phone numbers.
func auditText(text string) string { return airtime.MaskText(airtime.Line(text, maxDetail)) }

// seal masks the drafts of a verb that decides, chains them by their hashes, and writes them as
// lua/include/audit.lua reads them.
func seal(drafts reply, who string) string {
	before, at := drafts.text(1), drafts.text(3)
	var sealed strings.Builder
	fmt.Fprintf(&sealed, "%s %d %s\n", before, drafts.int(2), drafts.text(4))
	for i := range drafts.list(5) {
		draft := drafts.list(5).list(i)
		e := AuditEntry{
			At: at, Who: auditText(submitter(who)), What: draft.text(0), Name: auditText(draft.text(1)),
			Detail: auditText(draft.text(2)),
		}
		e.Hash = e.hashAfter(before)
		fmt.Fprintf(&sealed, "%s\t%s\t%s\t%s\t%s\n", e.Who, e.What, e.Name, e.Detail, e.Hash)
		before = e.Hash
	}
	return sealed.String()
}

// mostSeals is how often a decision is sealed anew because another one came in between.
const mostSeals = 50

// errSealed is returned when other decisions came in between each time.
var errSealed = errors.New("others decided at the same time, again and again; nothing was " +
	"changed, try again")

// decide runs a verb that decides, and appends to the audit what it decided, in the same script.
// The script says first what there is to seal. A decision that changes nothing is not in the audit.
// A replay is known by the decision's id, and changes nothing either.
func (s *Store) decide(
	ctx context.Context, verb, who string, args ...any,
) (any, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", verb, err)
	}
	who = clean(who)
	return s.rounds(ctx, s.client, verb, func(call script) (any, error) {
		with := func(sealed string) (any, error) {
			return call(append([]any{id.String(), who, sealed}, args...)...)
		}
		waits := backoff.WithMaxRetries(backoff.NewExponentialBackOff(
			backoff.WithInitialInterval(2*time.Millisecond),
			backoff.WithMaxInterval(200*time.Millisecond)), mostSeals)
		return backoff.RetryWithData(func() (any, error) {
			answer, err := with("")
			if drafts := draftsOf(answer); err == nil && drafts != nil {
				answer, err = with(seal(drafts, who))
			}
			switch {
			case err != nil:
				return nil, backoff.Permanent(err)
			case draftsOf(answer) != nil:
				return nil, errSealed
			}
			return answer, nil
		}, backoff.WithContext(waits, ctx))
	})
}

// draftsOf returns what a verb asks to seal; nil if it has done its work.
func draftsOf(answer any) reply {
	if drafts := asList(answer); len(drafts) == 6 && drafts.text(0) == "drafts" {
		return drafts
	}
	return nil
}

// auditPage is how many entries are read at once.
const auditPage = 1000

// Audit calls yield with every entry, the oldest first, from an instant on. It stops at the first
// error of yield and returns it.
func (s *Store) Audit(
	ctx context.Context, since time.Time, yield func(AuditEntry) error,
) error {
	_, err := s.eachEntry(ctx, func(_ string, e AuditEntry) error {
		if at, err := time.Parse(time.RFC3339, e.At); err == nil && at.Before(since) {
			return nil
		}
		return yield(e)
	})
	return err
}

// AuditChain is what VerifyAudit found.
type AuditChain struct {
	Entries int
	// Head is the hash of the last entry, 64 zeros when there is none.
	Head string
	// Fault says where the chain breaks first, and how; empty when it holds.
	Fault string
}

// VerifyAudit recomputes the hash of every entry from its fields and the entry before, and compares
// the last one with the head in the state.
func (s *Store) VerifyAudit(ctx context.Context) (AuditChain, error) {
	chain := AuditChain{Head: noHash}
	last := "the beginning"
	head, err := s.eachEntry(ctx, func(id string, e AuditEntry) error {
		chain.Entries++
		if want := e.hashAfter(chain.Head); chain.Fault == "" && e.Hash != want {
			chain.Fault = fmt.Sprintf("entry %s (%s) has the hash %q; its fields, after %s, give %s: it, "+
				"or one before it, was changed, added or deleted", id, e, e.Hash, last, want)
		}
		chain.Head, last = e.Hash, "entry "+id
		return nil
	})
	if err == nil && chain.Fault == "" && head != chain.Head {
		chain.Fault = fmt.Sprintf("behind %s: the state has the head %s, and the last entry the hash "+
			"%s: entries, or the head, were changed, added or deleted", last, head, chain.Head)
	}
	return chain, err
}

// eachEntry calls fn with the id and content of every entry, the oldest first, and returns the
// head of the chain when there was no more. The head is read before the entries: where none
// follows, none came in between. A transaction would do, too, but a full Redis refuses it.
func (s *Store) eachEntry(
	ctx context.Context, fn func(id string, e AuditEntry) error,
) (string, error) {
	for start := "-"; ; {
		pipe := s.client.Pipeline()
		head := pipe.HGet(ctx, s.keys.state(), "audit")
		page := pipe.XRangeN(ctx, s.keys.plain("audit"), start, "+", auditPage)
		if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
			return "", fmt.Errorf("read the audit: %w", err)
		}
		for _, entry := range page.Val() {
			if err := fn(entry.ID, entryOfAudit(entry)); err != nil {
				return "", err
			}
			start = "(" + entry.ID
		}
		if len(page.Val()) == 0 {
			return cmp.Or(head.Val(), noHash), nil
		}
	}
}

func entryOfAudit(entry redis.XMessage) AuditEntry {
	text := func(field string) string {
		value, _ := entry.Values[field].(string)
		return value
	}
	return AuditEntry{
		At: text("at"), Who: text("who"), What: text("what"), Name: text("name"),
		Detail: text("detail"), Hash: text("hash"),
	}
}

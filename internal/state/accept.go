package state

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tuma/internal/airtime"
)

// Acceptance is what Accept did, in the order of the disbursals.
type Acceptance struct {
	Outcomes []Outcome
	// Wakeups ask for a trigger each.
	Wakeups []Wakeup
	// Held are those who must not be sent yet.
	Held []Holding
	// Guarded are those for whom guards refuse their disbursals.
	Guarded []Guarded
}

// Guarded is a recipient that a guard refuses: indexes of its disbursal and in it, and the guard.
type Guarded struct {
	Disbursal, Recipient int
	Guard                string
}

var outcomeWords = map[string]Outcome{
	"accepted": Accepted, "same": Same, "conflict": Conflict, "cancelled": Cancelled,
	"refused": Refused,
}

// String returns the outcome's word.
func (o Outcome) String() string {
	for word, outcome := range outcomeWords {
		if outcome == o {
			return word
		}
	}
	return "outcome(" + strconv.Itoa(int(o)) + ")"
}

// Refusal returns why the outcome means that the disbursal is not held, or nil if it is.
func (o Outcome) Refusal(d *Disbursal) error {
	switch o {
	case Accepted, Same:
		return nil
	case Conflict:
		return fmt.Errorf("disbursal %s: %w", d.Reference, ErrConflict) // break: conflict
	case Cancelled:
		return fmt.Errorf("disbursal %s: %w", d.Reference, ErrCancelled)
	case Refused:
		return errors.New(strings.Join(d.Objections, "; "))
	}
	return fmt.Errorf("unexpected outcome %s", o)
}

// Accept takes disbursals of together at most MaxRecipients recipients in one step. Each is taken
// whole or not at all; when Accept returns without an error the state holds what it says. What a
// guard has against one is among its Objections then. ErrFull is returned when Redis is close to
// its maxmemory; then nothing was taken.
func (s *Store) Accept(ctx context.Context, disbursals []Disbursal) (Acceptance, error) {
	return s.accept(ctx, disbursals, nil)
}

// Rehearsal is what dry runs of Accept have counted so far; one is for one import or job. The zero
// value is for a new one.
type Rehearsal struct{ counted string }

// Rehearse says what Accept would do, and does nothing. Earlier calls with the same Rehearsal count
// as if they had been done, but for what guards count by phone number.
func (s *Store) Rehearse(
	ctx context.Context, disbursals []Disbursal, so *Rehearsal,
) (Acceptance, error) {
	return s.accept(ctx, disbursals, so)
}

func (s *Store) accept(
	ctx context.Context, disbursals []Disbursal, rehearsal *Rehearsal,
) (Acceptance, error) {
	if len(disbursals) == 0 {
		return Acceptance{}, nil
	}
	if err := s.room(ctx, AcceptLimit); err != nil {
		return Acceptance{}, err
	}
	total := 0
	for i := range disbursals {
		total += len(disbursals[i].Recipients)
	}
	if total > MaxRecipients {
		return Acceptance{}, fmt.Errorf("accept takes at most %d recipients at once, got %d",
			MaxRecipients, total)
	}
	args := make([]any, 0, 11+9*len(disbursals))
	args = append(args, s.options.MaxInFlight, 0, "")
	if rehearsal != nil {
		args[1], args[2] = 1, rehearsal.counted
	}
	order := make([]int, 0, len(disbursals)) // In which the script is told of them.
	for _, group := range alike(disbursals) {
		var err error
		if args, err = s.appendGroup(args, disbursals, group); err != nil {
			return Acceptance{}, err
		}
		order = append(order, group...)
	}
	answer, err := s.run(ctx, s.client, "accept", args...)
	if err != nil {
		return Acceptance{}, err
	}
	if rehearsal != nil {
		rehearsal.counted = asList(answer).text(4)
	}
	return acceptanceOf(asList(answer), disbursals, order), nil
}

// acceptanceOf reads what accept.lua answers about disbursals that it was told of in an order.
func acceptanceOf(answer reply, disbursals []Disbursal, order []int) Acceptance {
	words, refused := answer.list(0), answer.list(2)
	result := Acceptance{
		Outcomes: make([]Outcome, len(words)), Wakeups: wakeupsOf(answer.list(1)),
		Held: heldOf(answer.list(3)),
	}
	for i, index := range order {
		result.Outcomes[index] = outcomeWords[words.text(i)]
		if len(refused) == 0 || result.Outcomes[index] != Refused {
			continue
		}
		for _, g := range guardedOf(&disbursals[index], refused) {
			g.Disbursal = index
			result.Guarded = append(result.Guarded, g)
			disbursals[index].Objections = append(disbursals[index].Objections,
				g.objection(&disbursals[index]))
		}
	}
	return result
}

// notBefore is when a disbursal may be sent, in ms; 0 for at once.
func notBefore(d *Disbursal) int64 {
	if d.NotBefore.IsZero() {
		return 0
	}
	return d.NotBefore.UnixMilli()
}

// alike groups disbursals, by their indexes, that differ in reference and recipients only.
func alike(disbursals []Disbursal) [][]int {
	type likeness struct {
		given, campaign, imported, producer, by string
		currency                                airtime.Currency
		notBefore                               int64
	}
	var groups [][]int
	known := map[likeness]int{}
	for i := range disbursals {
		d := &disbursals[i]
		of := likeness{
			d.Given, Own(d.Producer, d.Campaign), d.Import, d.Producer, d.SubmittedBy, d.Currency,
			notBefore(d),
		}
		group, found := known[of]
		if !found {
			group = len(groups)
			known[of], groups = group, append(groups, nil)
		}
		groups[group] = append(groups[group], i)
	}
	return groups
}

// appendGroup writes disbursals that are alike as accept.lua reads them.
func (s *Store) appendGroup(args []any, disbursals []Disbursal, group []int) ([]any, error) {
	first := &disbursals[group[0]]
	decimals, known := first.Currency.Decimals()
	if !known {
		return nil, fmt.Errorf("disbursal %s: unknown currency %q", first.Reference, first.Currency)
	}
	args = append(args, first.Given, string(first.Currency), decimals, first.Import,
		Own(first.Producer, first.Campaign), first.SubmittedBy, notBefore(first), len(group))
	for _, i := range group {
		var err error
		if args, err = s.appendDisbursal(args, &disbursals[i]); err != nil {
			return nil, err
		}
	}
	return args, nil
}

// appendDisbursal writes what a disbursal does not share with its group.
func (s *Store) appendDisbursal(args []any, d *Disbursal) ([]any, error) {
	if len(d.Recipients) == 0 || len(d.Recipients) > MaxRecipients {
		return nil, fmt.Errorf("disbursal %s: %d recipients, want 1 to %d",
			d.Reference, len(d.Recipients), MaxRecipients)
	}
	if err := errors.Join(checkNames(d), checkSubmitter(d.SubmittedBy)); err != nil {
		return nil, fmt.Errorf("disbursal %q: %w", d.Reference, err)
	}
	codes, err := s.codesOf(d)
	if err != nil {
		return nil, fmt.Errorf("disbursal %s: %w", d.Reference, err)
	}
	order := phoneOrder(d.Recipients)
	recipients, codes := inOrder(d.Recipients, order), inOrder(codes, order)
	content, sum := contentOf(recipients)
	ids := idsOf(recipients)
	return append(args, Own(d.Producer, d.Reference), digest(d, content, ids), len(recipients), sum,
		content, string(codes), ids, fingerprintsOf(namesIn(recipients)),
		s.asksOf(d, recipients, order)), nil
}

// asksOf writes what is asked of the recipients of a disbursal, who goes first, and the prints of
// the payments where a guard looks for duplicates, with tabs between; "" when there is none of it.
func (s *Store) asksOf(d *Disbursal, recipients []airtime.Recipient, order []int) string {
	prints := ""
	if s.options.looksForDuplicates() {
		prints = printsOf(recipients)
	}
	asked, first := admissionsOf(inOrder(s.admissions(d), order)), stretchesOf(inOrder(d.High, order))
	if asked == nothingAsked && first == "" && prints == "" {
		return ""
	}
	return asked + "\t" + first + "\t" + prints
}

// stretchesOf writes where those stand who go first: lines "from to", positions that count from 1.
func stretchesOf(high []bool) string {
	var lines []byte
	for from := 0; from < len(high); from++ {
		if !high[from] {
			continue
		}
		to := from
		for to+1 < len(high) && high[to+1] {
			to++
		}
		lines = fmt.Appendf(lines, "%d %d\n", from+1, to+1)
		from = to
	}
	return string(lines)
}

// codesOf spells the providers of a disbursal: one code if all recipients go to one, else one each;
// none when it is only looked up.
func (s *Store) codesOf(d *Disbursal) ([]byte, error) {
	names := d.Providers
	if d.Objections != nil {
		return nil, nil // It goes nowhere.
	}
	if names == nil {
		names = []string{d.Provider}
	} else if len(names) != len(d.Recipients) {
		return nil, fmt.Errorf("%d providers for %d recipients", len(names), len(d.Recipients))
	}
	codes := make([]byte, len(names))
	for i, name := range names {
		code, known := s.code[name]
		if !known {
			return nil, fmt.Errorf("unknown provider %q", name)
		}
		codes[i] = code
	}
	return codes, nil
}

// phoneOrder returns the indexes of recipients in the order of their phone numbers, so that the
// same ones in another order are the same content; nil when they are in order.
func phoneOrder(recipients []airtime.Recipient) []int {
	compare := func(a, b airtime.Recipient) int {
		return strings.Compare(a.Phone.Digits(), b.Phone.Digits())
	}
	if slices.IsSortedFunc(recipients, compare) { // break: digest-order
		return nil
	}
	order := make([]int, len(recipients))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return compare(recipients[a], recipients[b]) })
	return order
}

// inOrder returns a list in an order, as it is if there is none, or not one element for each.
func inOrder[T any](list []T, order []int) []T {
	if len(order) != len(list) {
		return list
	}
	sorted := make([]T, len(order))
	for to, from := range order {
		sorted[to] = list[from]
	}
	return sorted
}

// contentOf writes recipients as "phone amount" lines, and returns their sum in minor units.
func contentOf(recipients []airtime.Recipient) (string, int64) {
	var sum int64
	lines := make([]byte, 0, 20*len(recipients))
	for i, r := range recipients {
		if i > 0 {
			lines = append(lines, '\n')
		}
		lines = append(lines, r.Phone.Digits()...)
		lines = append(lines, ' ')
		lines = strconv.AppendInt(lines, r.Amount.Minor, 10)
		sum += r.Amount.Minor
	}
	return string(lines), sum
}

// idsOf writes the producer's ids of recipients, one a line; nothing when none has one.
func idsOf(recipients []airtime.Recipient) string {
	named := func(r airtime.Recipient) bool { return r.ID != "" }
	if !slices.ContainsFunc(recipients, named) {
		return ""
	}
	ids := make([]string, len(recipients))
	for i, r := range recipients {
		ids[i] = r.ID
	}
	return strings.Join(ids, "\n")
}

// digest identifies the content of a disbursal: recipients with their ids, currency, provider as
// given, and when it may be sent, where that is said. It is 128 bits of SHA-256: enough to tell
// contents apart, and short because every disbursal keeps one.
func digest(d *Disbursal, content, ids string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n%s", d.Currency, d.Given, content)
	if ids != "" {
		fmt.Fprintf(h, "\n%s", ids)
	}
	if !d.NotBefore.IsZero() {
		fmt.Fprintf(h, "\nnot before %d", d.NotBefore.UnixMilli())
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}

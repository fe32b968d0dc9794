package state_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/state"
)

// bulk makes disbursals of together a thousand recipients.
func bulk(prefix string, each int) []state.Disbursal {
	list := make([]state.Disbursal, 1000/each)
	for i := range list {
		list[i] = shifted(fmt.Sprint(prefix, i), i*each, each)
	}
	return list
}

// facts says the same about every member of a batch.
func facts(b *state.Batch, status airtime.Status) []providers.RecipientStatus {
	list := make([]providers.RecipientStatus, len(b.Members))
	for i, m := range b.Members {
		list[i] = providers.RecipientStatus{Phone: m.Phone, Status: status, ProviderReference: "r"}
	}
	return list
}

// TestOneScriptForAThousandRecipients counts what each verb sends.
func TestOneScriptForAThousandRecipients(t *testing.T) {
	t.Parallel()
	for _, each := range []int{1, 1000} {
		t.Run(fmt.Sprint(each), func(t *testing.T) {
			t.Parallel()
			s, c := timed(t, nil)
			hook := &echo{}
			s.Client().AddHook(hook)
			once := func(verb string, run func() error) {
				hook.scripts.Store(0)
				require.NoError(t, run(), verb)
				// The hash, and if need be the text; what is decided is sealed between two calls.
				most := map[string]int64{"cancel": 3}[verb]
				require.LessOrEqual(t, hook.scripts.Load(), max(2, most), verb)
			}
			ctx, holder := context.Background(), token()
			var got state.Claim
			once("accept", func() (err error) {
				_, err = s.Accept(ctx, bulk("r", each))
				return err
			})
			once("claim", func() (err error) {
				got, err = s.Claim(ctx, "lipad", holder, 1000)
				return err
			})
			require.Len(t, got.Batch.Members, 1000)
			once("begin", func() (err error) {
				_, err = s.BeginSend(ctx, got.Batch, holder)
				return err
			})
			once("record", func() (err error) {
				_, err = s.Record(ctx, answer(got.Batch, airtime.Accepted, "").built())
				return err
			})
			once("observe", func() (err error) {
				_, err = s.Observe(ctx, got.Batch, facts(got.Batch, airtime.Successful), true,
					pollSchedule(0))
				return err
			})
			only(t, s, "r0", airtime.Successful)
			c.pass(time.Hour)
			once("sweep", func() (err error) {
				_, err = s.Sweep(ctx, "lipad")
				return err
			})
			once("cancel", func() (err error) {
				_, err = s.Cancel(ctx, state.KindDisbursal, "r0", "amina", "")
				return err
			})
			require.Len(t, results(t, s), 1000)
			balanced(t, s)
		})
	}
}

func TestAcceptRefusesWhatItCannotTakeAtOnce(t *testing.T) {
	t.Parallel()
	s, ctx := open(t, nil), context.Background()
	foreign := disbursal("a", 1)
	foreign.Currency = "QQQ"
	for _, list := range [][]state.Disbursal{
		{disbursal("a", 1001)},
		{disbursal("a", 0)},
		{disbursal("a", 600), disbursal("b", 600)},
		{foreign},
	} {
		_, err := s.Accept(ctx, list)
		require.Error(t, err)
		_, err = s.KindOf(ctx, "a")
		require.ErrorIs(t, err, state.ErrNotFound, "nothing was taken")
	}
	_, err := s.Accept(ctx, nil)
	require.NoError(t, err)
}

func TestLargeAmountsStayExact(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	d := disbursal("a", 1000)
	for i := range d.Recipients {
		d.Recipients[i].Amount.Minor = airtime.MaxMinor - int64(i)
	}
	accept(t, s, d)
	b := begin(t, s)
	record(t, s, answer(b, airtime.Accepted, ""))
	observe(t, s, b.ID, airtime.Failed, 999)
	sum, err := s.Summarize(context.Background(), state.KindDisbursal, "a")
	require.NoError(t, err)
	require.Equal(t, airtime.MaxMinor-999, sum.Statuses[airtime.Failed].Amounts["KES"])
	f, err := s.Stats(context.Background())
	require.NoError(t, err)
	require.Equal(t, 1000*airtime.MaxMinor-999*1000/2, f.Book["lipad KES requested minor"])
	entries, err := s.Client().XRange(background, s.Key("results", ""), "-", "+").Result()
	require.NoError(t, err)
	require.Equal(t, "9999999990.01", entries[0].Values["amount"])
	balanced(t, s)
}

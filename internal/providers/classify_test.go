package providers

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
)

// The truth table of Classify's comment, for every status that can occur.
func TestClassifyEveryStatus(t *testing.T) {
	t.Parallel()
	for status := 100; status <= 599; status++ {
		want := Answer{
			Verdict: airtime.Unknown, Reason: airtime.ReasonUnreadable, RetryAfter: time.Second,
		}
		switch {
		case status == 401 || status == 403:
			want.Verdict = airtime.Unsent
			want.Reason, want.Pause = airtime.ReasonCredentials, airtime.ReasonCredentials
		case status == 429:
			want.Verdict = airtime.Unsent
			want.Reason, want.Pause = airtime.ReasonRateLimited, airtime.ReasonRateLimited
		case status == 408:
			want.Reason = airtime.ReasonTimeout
		case status >= 300 && status < 400:
			want.Pause = airtime.ReasonConnect
		case status >= 500:
			want.Reason = airtime.ReasonServerError
		}
		got := Classify(Outcome{Progress: Answered, Status: status, RetryAfter: time.Second})
		require.Equal(t, want, got, status)
	}
}

func TestClassifyWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	const connect, none = airtime.ReasonConnect, airtime.NoReason
	cases := map[Progress]Answer{
		NotConnected: {Verdict: airtime.Unsent, Reason: connect, Pause: connect},
		TooLate:      {Verdict: airtime.Unsent, Reason: airtime.ReasonLate, Pause: none},
		TimedOut:     {Verdict: airtime.Unknown, Reason: airtime.ReasonTimeout, Pause: none},
		Broken:       {Verdict: airtime.Unknown, Reason: airtime.ReasonUnreadable, Pause: none},
		0:            {Verdict: airtime.Unknown, Reason: airtime.ReasonUnreadable, Pause: none},
		99:           {Verdict: airtime.Unknown, Reason: airtime.ReasonUnreadable, Pause: none},
	}
	for progress, want := range cases {
		require.Equal(t, want, Classify(Outcome{Progress: progress}), progress)
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	cases := []struct {
		header, date string
		want         time.Duration
	}{
		{"", "", 0},
		{"7", "", 7 * time.Second},
		{" 7 ", "", 7 * time.Second},
		{"0", "", 0},
		{"-1", "", 0},
		{"1.5", "", 0},
		{"soon", "", 0},
		{"3600", "", MaxRetryAfter},
		{"99999999999999999999999", "", MaxRetryAfter},
		{at(30 * time.Second), "", 30 * time.Second},
		{at(-30 * time.Second), "", 0},
		{at(time.Hour), "", MaxRetryAfter},
		{at(time.Hour), at(time.Hour - 20*time.Second), 20 * time.Second},
	}
	for _, c := range cases {
		header := http.Header{"Retry-After": {c.header}, "Date": {c.date}}
		require.Equal(t, c.want, retryAfter(header, now), c.header)
	}
}

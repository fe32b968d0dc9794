package providers

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
)

func TestScalarKeepsTheTextOfEveryType(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`"a"`: "a", `" a\u00e9 "`: " aé ", `12345678901234567890`: "12345678901234567890",
		`1.50`: "1.50", `1e3`: "1e3", `true`: "true", `null`: "", `[1]`: "", `{"a":1}`: "",
	} {
		got := Scalar("before")
		require.NoError(t, Decode([]byte(raw), &got), raw)
		require.Equal(t, want, string(got), raw)
	}
	require.Equal(t, "a b", Scalar("\t a b\n").Trimmed())
}

func TestDecodeObjectTakesObjectsOnly(t *testing.T) {
	t.Parallel()
	var into struct {
		A Scalar `json:"a"`
	}
	require.NoError(t, DecodeObject([]byte(" \r\n\t{\"a\":1}"), &into))
	require.Equal(t, Scalar("1"), into.A)
	for _, body := range []string{"", "null", "[]", `"a"`, "<a/>", `{"a":1`, `{"a":1}{}`} {
		require.Error(t, DecodeObject([]byte(body), &into), body)
	}
	require.Zero(t, FirstByte([]byte(" \n")))
}

func TestReadPhoneKnowsTheSpellingsOfAnswers(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"+254711000111", "254711000111", "0711000111", "711000111", "+254 711-000 111",
		"00254711000111", "(0711) 000 111",
	} {
		phone, ok := ReadPhone(text)
		require.True(t, ok, text)
		require.Equal(t, "254711000111", phone.Digits(), text)
	}
	foreign, ok := ReadPhone("+256772123456")
	require.True(t, ok)
	require.Equal(t, "256772123456", foreign.Digits())
	for _, text := range []string{
		"", "None", "+254711XXXYYY", "254711•••111", "0711000", "2547110001112223334", "254+711000111",
	} {
		_, ok := ReadPhone(text)
		require.False(t, ok, text)
	}
}

func TestReadMoneyIsExact(t *testing.T) {
	t.Parallel()
	money := func(minor int64, c airtime.Currency) airtime.Money {
		return airtime.Money{Minor: minor, Currency: c}
	}
	cases := []struct {
		text     string
		fallback airtime.Currency
		want     airtime.Money
	}{
		{"KES 27.6000", "", money(27_60, "KES")},
		{"KES 100.0000", "UGX", money(100_00, "KES")},
		{" KES  10.5 ", "", money(10_50, "KES")},
		{"10", "KES", money(10_00, "KES")},
		{"500.00", "KES", money(500_00, "KES")},
		{"0.01", "KES", money(1, "KES")},
		{"UGX 500.0000", "KES", money(500, "UGX")},
		{"TND 1.2340", "", money(1234, "TND")},
		{"0", "", money(0, "")},
		{"0", "KES", money(0, "KES")},
		{"KES 0.0000", "", money(0, "KES")},
	}
	for _, c := range cases {
		got, err := ReadMoney(c.text, c.fallback)
		require.NoError(t, err, c.text)
		require.Equal(t, c.want, got, c.text)
	}
}

func TestReadMoneyRefusesWhatIsNotExact(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", " ", "KES", "KES ", "KES x", "ABC 10", "ABC 0", "kes 10", "10 KES", "KES 1 000",
		"KES 1,000.00", "KES -10", "+10", "1e3", "10.", ".5", "0.", "10.005", "KES 10.0050",
		"UGX 10.5", "KES 10.00x0", "90071992547.41", "KES\u00a010", "254711000111254711000111",
	} {
		_, err := ReadMoney(text, "KES")
		require.Error(t, err, text)
		if len(text) > 8 {
			require.NotContains(t, err.Error(), text, "it may be a phone number")
		}
	}
	_, err := ReadMoney("10", "")
	require.EqualError(t, err, "names no currency")
}

func TestHeaderSafe(t *testing.T) {
	t.Parallel()
	require.True(t, HeaderSafe("atsk_0aZ~!"))
	for _, text := range []string{"", "a b", "a\r\nb", "a\n", "é", "\x7f"} {
		require.False(t, HeaderSafe(text), "%q", text)
	}
}

func TestTransportReason(t *testing.T) {
	t.Parallel()
	late := &TransportError{Reason: airtime.ReasonTimeout, Err: errors.New("slow")}
	require.Equal(t, airtime.ReasonTimeout, TransportReason(late))
	require.Equal(t, airtime.ReasonConnect, TransportReason(errors.New("other")))
}

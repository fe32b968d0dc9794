package providers

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
)

func TestReadSums(t *testing.T) {
	t.Parallel()
	kes := func(minor int64) airtime.Money { return airtime.Money{Minor: minor, Currency: "KES"} }
	for _, c := range []struct {
		amount, discount Scalar
		want             Sums
	}{
		{"", "", Sums{}},
		{"None", "null", Sums{}},
		{"KES 690.0000", "KES 27.6000", Sums{Amount: kes(690_00), Discount: "27.6"}},
		{"100", "0.4", Sums{Amount: kes(100_00), Discount: "0.4"}},
		{" KES 10 ", " KES  0.00 ", Sums{Amount: kes(10_00), Discount: "0"}},
		{"10.50", "0", Sums{Amount: kes(10_50), Discount: "0"}},
		{"0", "00.0500", Sums{Amount: kes(0), Discount: "0.05"}},
		{"USD 0.0780", "", Sums{}}, // Of a wallet, whatever its fraction.
		{"XYZ 10", "", Sums{OddAmount: true}},
		{"USD 0.07", "USD 0.01", Sums{OddDiscount: true}},
		{"KES 10.005", "0.12345", Sums{OddAmount: true, OddDiscount: true}},
		{"1e3", "4e-1", Sums{OddAmount: true, OddDiscount: true}},
		{"1,000", "-0.4", Sums{OddAmount: true, OddDiscount: true}},
		{"KES", "4%", Sums{OddAmount: true, OddDiscount: true}},
		{"true", "0,4", Sums{OddAmount: true, OddDiscount: true}},
		{"KES 10", "99999999999", Sums{Amount: kes(10_00), OddDiscount: true}},
	} {
		require.Equal(t, c.want, ReadSums(c.amount, c.discount, "KES"), "%q %q", c.amount, c.discount)
	}
}

func TestAnotherAmount(t *testing.T) {
	t.Parallel()
	sent := airtime.Money{Minor: 10_00, Currency: "KES"}
	for _, c := range []struct {
		named string
		paid  bool
		other string
	}{
		{"", true, ""},
		{"10", true, ""},
		{"KES 10.0000", true, ""},
		{"KES 999.00", true, "KES 999.00"},
		{"999", false, "KES 999.00"},
		{"0", true, "KES 0.00"},
		{"0", false, ""},
		{"USD 0.07", true, ""},
	} {
		other := ReadSums(Scalar(c.named), "", "KES").Other(sent, c.paid)
		if c.other == "" {
			require.Zero(t, other, c.named)
			continue
		}
		require.Equal(t, c.other, other.String(), c.named)
	}
}

package limits

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"testing/quick"
)

func TestWords(t *testing.T) {
	for _, tc := range []struct {
		n    int64
		unit string
		want string
	}{
		{0, "", "0"}, {999, "", "999"}, {1000, "", "1,000"}, {-1234567, "", "-1,234,567"}, {1_000_000_000_000_000, "", "1,000,000,000,000,000"},
		{1000000, "tenths of grey", "1,000,000 tenths of grey"},
		{0, "USD cents", "0.00 USD"}, {5, "USD cents", "0.05 USD"}, {-5, "EUR cents", "-0.05 EUR"}, {99995000, "USD cents", "999,950.00 USD"},
		{100, "usd cents", "100 usd cents"}, {100, "US1 cents", "100 US1 cents"}, {100, " cents", "100  cents"}, {100, "USD cents each", "100 USD cents each"},
		{math.MinInt64, "", "-9,223,372,036,854,775,808"}, {math.MinInt64, "USD cents", "-92,233,720,368,547,758.08 USD"},
	} {
		if got := Words(tc.n, tc.unit); got != tc.want {
			t.Errorf("%d %q: %q, want %q", tc.n, tc.unit, got, tc.want)
		}
	}
	if got := PartWords(495000, 500000, "USD cents"); got != "4,950.00 of 5,000.00 USD" {
		t.Error(got)
	}
	if got := Figure(495000, "USD cents"); got != "4,950.00" {
		t.Error(got)
	}
	// No digit is lost, whatever the unit.
	same := func(n int64) bool {
		plain := strings.NewReplacer(",", "", ".", "").Replace(Figure(n, "USD cents"))
		back, err := strconv.ParseInt(plain, 10, 64)
		return err == nil && back == n && strings.ReplaceAll(Figure(n, ""), ",", "") == strconv.FormatInt(n, 10)
	}
	if err := quick.Check(same, nil); err != nil {
		t.Error(err)
	}
}

func TestKeyOf(t *testing.T) {
	for _, key := range []string{"acme", "Café/1", "a b%", "~other"} {
		if got := KeyOf(KeyName("each", key)); got != key {
			t.Errorf("%q comes back as %q", key, got)
		}
	}
	long := strings.Repeat("x", 300)
	if got := KeyOf(KeyName("each", long)); !strings.HasPrefix(got, long[:keyPrefix]+"~") {
		t.Errorf("a long key is %q", got)
	}
	if got := KeyOf("each/%zz"); got != "%zz" {
		t.Errorf("what is no escape is %q", got)
	}
	if got := KeyOf(KeyName("each", "\xff")); got != "?" {
		t.Errorf("what is no text is %q", got)
	}
	for name, want := range map[string]string{"each": "", OtherKeys("each"): otherKey, KeyName("each", ""): emptyKey} {
		if got := KeyOf(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

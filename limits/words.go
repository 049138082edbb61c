package limits

import "strconv"

// hundredths ends the unit of an amount that is counted in hundredths of a currency, after its code (ISO 4217): "USD cents".
const hundredths = " cents"

// Words is n of a unit as people read it, with its thousands set apart: 1,000 answers are "1,000", and 99995000 USD cents "999,950.00 USD". Any
// other unit stands behind the number as it is.
func Words(n int64, unit string) string {
	figure, of := figures(n, unit)
	if of == "" {
		return figure
	}
	return figure + " " + of
}

// PartWords is n of most, both of a unit: "4,950.00 of 5,000.00 USD".
func PartWords(n, most int64, unit string) string {
	figure, _ := figures(n, unit)
	return figure + " of " + Words(most, unit)
}

// Figure is n as Words has it, without the unit.
func Figure(n int64, unit string) string {
	figure, _ := figures(n, unit)
	return figure
}

// figures answers the number, and the unit that it is then of.
func figures(n int64, unit string) (figure, of string) {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	code, cents := currency(unit)
	if !cents {
		return sign + apart(digits), unit
	}
	for len(digits) < 3 {
		digits = "0" + digits
	}
	whole := len(digits) - 2
	return sign + apart(digits[:whole]) + "." + digits[whole:], code
}

// currency answers the code of a unit that is hundredths of it.
func currency(unit string) (code string, ok bool) {
	const letters = 3
	if len(unit) != letters+len(hundredths) || unit[letters:] != hundredths {
		return "", false
	}
	for _, c := range unit[:letters] {
		if c < 'A' || c > 'Z' {
			return "", false
		}
	}
	return unit[:letters], true
}

// apart sets every three digits apart.
func apart(digits string) string {
	const group = 3
	out := make([]byte, 0, len(digits)+len(digits)/group)
	for i := range len(digits) {
		if i > 0 && (len(digits)-i)%group == 0 {
			out = append(out, ',')
		}
		out = append(out, digits[i])
	}
	return string(out)
}

package config

import (
	"fmt"
	"slices"
	"strings"
)

// nearest is the candidate that somebody who wrote word most likely meant; empty when none is near. Candidates are compared
// without regard to case, "-" and "_" count as the same.
func nearest(word string, candidates []string) string {
	const longest = 64 // Nobody mistypes more than that, and the distance takes quadratic time.
	const most = 500   // Nobody would trust a guess among more, and somebody hostile would make us try them all.
	if word == "" || len(word) > longest || len(candidates) > most {
		return ""
	}
	folded := fold(word)
	best, least := "", 1+max(1, len(folded)/3)
	candidates = slices.Sorted(slices.Values(candidates))
	for _, candidate := range candidates {
		if len(candidate) > longest {
			continue
		}
		if d := distance(folded, fold(candidate)); d < least {
			best, least = candidate, d
		}
	}
	if best != "" || len(folded) < 3 {
		return best
	}
	// A word that was cut short: "san" for mtls_san.
	for _, candidate := range candidates {
		if slices.Contains(strings.Split(fold(candidate), "_"), folded) {
			if best != "" {
				return "" // It could be either.
			}
			best = candidate
		}
	}
	return best
}

func fold(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "_") }

// distance is the number of insertions, deletions, substitutions and swaps of neighbours that make b of a (optimal string
// alignment), in bytes.
func distance(a, b string) int {
	before, previous, current := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		current[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			current[j] = min(previous[j]+1, current[j-1]+1, previous[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				current[j] = min(current[j], before[j-2]+1)
			}
		}
		before, previous, current = previous, current, before
	}
	return previous[len(b)]
}

// oneOf words a choice: "a, b or c".
func oneOf(names []string) string {
	const most = 12 // More would bury the fault.
	if len(names) > most {
		return fmt.Sprintf("one of the %d that are declared", len(names))
	}
	names = slices.Sorted(slices.Values(names))
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

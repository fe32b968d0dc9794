// Package nearest finds the known name that is closest to a misspelt one, for error messages.
package nearest

import "slices"

// Of returns the known name with the fewest edits from name, empty when none is known.
func Of(name string, known []string) string {
	if len(known) == 0 {
		return ""
	}
	return slices.MinFunc(known, func(a, b string) int { return edits(name, a) - edits(name, b) })
}

// Close is Of, but empty when the nearest name has little in common with this one: more than a
// third of its letters, and more than one, are others.
func Close(name string, known []string) string {
	found := Of(name, known)
	if edits(name, found) > max(1, len(name)/3) {
		return ""
	}
	return found
}

// edits counts the letters to insert, remove or replace between two names (Levenshtein).
func edits(from, to string) int {
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(from) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(to) {
			cost := diagonal
			if from[i] != to[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(to)]
}

package intake

import "strings"

// repeat reports a number that occurred before. A number counts as seen even when its row is
// refused: the corrected row will come, and then it would be paid twice.
func (s *scan) repeat(r row, path string, faults *findings) {
	if r.phone == 0 {
		return
	}
	before, repeated := s.seen[r.phone]
	if !repeated {
		s.seen[r.phone] = r.line
	} else {
		s.repeats++
	}
	if s.options.AllowRepeats {
		if s.byReference == nil || r.group == noGroup {
			return
		}
		key := numberIn{r.phone, r.group}
		if before, repeated = s.within[key]; !repeated {
			s.within[key] = r.line
		}
	}
	if repeated {
		faults.add(path+"phone_number", "same number as on line %d", before)
	}
}

// keepID keeps the id of the row that comes next, and reports one that occurred before in its job,
// or in its file where that names no jobs.
func (s *scan) keepID(r row, id, path string, faults *findings) {
	if id == "" {
		return
	}
	id = strings.Clone(id) // It may be a part of a whole line.
	s.ids[uint32(len(s.rows))] = id
	key := idIn{id: id}
	if s.byReference != nil {
		key.reference = r.group
	}
	if before, repeated := s.lineOf[key]; repeated {
		faults.add(path+"id", "same id as on line %d", before)
	} else {
		s.lineOf[key] = r.line
	}
}

// repeatedInJob reports whether the number was on the same line before: check has reported it.
func (s *scan) repeatedInJob(r row) bool {
	line, seen := s.seen[r.phone]
	return seen && line == r.line
}

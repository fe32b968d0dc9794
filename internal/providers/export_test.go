package providers

// Judge is what Send makes of a response, without the wire.
func (s *Submission) Judge(r Response) Answer {
	if answer, ok := s.read(r); ok {
		return answer
	}
	return Classify(r.Outcome())
}

package redistest

import (
	"net/url"
)

// WithUsers has the server know the users of an ACL file and nobody else. admin is the one of them
// that URL and Client are; the file must let it do everything.
func WithUsers(path string, admin *url.Userinfo) Option {
	return func(s *Server) {
		s.arguments = append(s.arguments, "--aclfile", path)
		s.admin = admin
	}
}

// URLOf returns the address in the form of TUMA_REDIS_URL for one user of the server; nil is the
// default user.
func (s *Server) URLOf(user *url.Userinfo) string {
	return (&url.URL{Scheme: "redis", User: user, Host: s.address, Path: "/0"}).String()
}

// Package console serves the web console for people: pages, forms, sessions and roles. Pages are
// read from the state and act by its verbs, as the commands do. console.go has the routes and what
// all requests pass, users.go who may sign in and their roles, session.go signing in and out,
// page.go how pages are written, words.go their language; overview.go (also the channels),
// names.go, find.go, holds.go, review.go and audit.go are the pages.
package console

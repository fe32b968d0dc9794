package console

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUsers(t *testing.T) {
	t.Parallel()
	entry, err := Entry("wanjiku", "correct horse battery", []Role{Sender, Approver})
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "users.yaml")
	require.NoError(t, os.WriteFile(path, []byte("users:\n"+entry), 0o600))
	users, err := ReadUsers(path)
	require.NoError(t, err)
	user := users.signIn("wanjiku", "correct horse battery")
	require.NotNil(t, user)
	require.True(t, user.May(Approver))
	require.False(t, user.May(Operator))
	require.Nil(t, users.signIn("wanjiku", "correct horse"))
	require.Nil(t, users.signIn("nobody", "correct horse battery"))
	_, err = Entry("wanjiku", "short", []Role{Sender})
	require.ErrorContains(t, err, "the password has 5 bytes; it must have 10 to 72")
	_, err = ReadUsers(filepath.Join(t.TempDir(), "none"))
	require.ErrorContains(t, err, "TUMA_CONSOLE_USERS: ")
}

func TestWrongUsers(t *testing.T) {
	t.Parallel()
	const salted = "7EqJtq98hPqEX7fNZaFWoOHi6p1V8dVb1sQfSX3bKX0Z1W5vO4dNK"
	const hash = `password_hash: "$2a$10$` + salted + `"`
	for text, want := range map[string]string{
		"users: []": "it has no users",
		"users: [{name: a, " + hash + ", roles: [admin]}]": `users[0] "a": roles: "admin" is none; ` +
			"there are viewer, sender, approver, operator",
		"users: [{name: a, " + hash + "}]":                        "roles: there is none",
		"users: [{name: a, password_hash: x, roles: [viewer]}]":   "it is no hash of bcrypt",
		"users: [{name: \"\", " + hash + ", roles: [viewer]}]":    "name: ",
		"users: [{name: a, password: x, roles: [viewer]}]":        "field password not found",
		"users: [{name: a, " + hash + ", roles: [viewer]}, null]": "users[1]: it is empty",
		"users: [{name: a, " + hash + ", roles: [viewer]}, {name: a, " + hash +
			", roles: [viewer]}]": `users[1] "a": another user has this name`,
		`users: [{name: a, password_hash: "$2a$04$` + salted + `"` +
			", roles: [viewer]}]": "its cost is 4, at least 10 is needed",
	} {
		_, err := parseUsers([]byte(text))
		require.ErrorContains(t, err, want, text)
	}
}

package console

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/bcrypt"
	"gopkg.in/yaml.v3"

	"tuma/internal/state"
)

// Role is what a person may do beside looking, which everybody may who has signed in.
type Role string

// Roles.
const (
	Viewer   Role = "viewer"
	Sender   Role = "sender"
	Approver Role = "approver"
	Operator Role = "operator"
)

// Roles lists all roles.
func Roles() []Role { return []Role{Viewer, Sender, Approver, Operator} }

// User is a person who may sign in.
type User struct {
	Name string `yaml:"name"`
	// PasswordHash is one of bcrypt.
	PasswordHash string `yaml:"password_hash"`
	Roles        []Role `yaml:"roles"`
}

// May reports whether the user has a role.
func (u *User) May(role Role) bool { return slices.Contains(u.Roles, role) }

// Users are those of a file, by name.
type Users map[string]*User

// demo is the only user of a console without a file.
func demo() *User { return &User{Name: "demo", Roles: Roles()} }

// minCost is the least cost of a password's hash.
const minCost = 10

// ReadUsers reads a file of users. The error names every user that is wrong, and why.
func ReadUsers(path string) (Users, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("TUMA_CONSOLE_USERS: %w", err)
	}
	users, err := parseUsers(text)
	if err != nil {
		return nil, fmt.Errorf("TUMA_CONSOLE_USERS: %s: %w", path, err)
	}
	return users, nil
}

func parseUsers(text []byte) (Users, error) {
	var file struct {
		Users []*User `yaml:"users"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		return nil, err
	}
	if len(file.Users) == 0 {
		return nil, errors.New(`it has no users; console user NAME --roles sender writes an entry`)
	}
	users := Users{}
	var faults []error
	for i, u := range file.Users {
		if u == nil {
			faults = append(faults, fmt.Errorf("users[%d]: it is empty", i))
			continue
		}
		if err := u.check(); err != nil {
			faults = append(faults, fmt.Errorf("users[%d] %q: %w", i, u.Name, err))
		}
		if users[u.Name] != nil {
			faults = append(faults, fmt.Errorf("users[%d] %q: another user has this name", i, u.Name))
		}
		users[u.Name] = u
	}
	return users, errors.Join(faults...)
}

// check returns an error that says what is wrong with a user.
func (u *User) check() error {
	if err := state.CheckSubmitter(u.Name); err != nil {
		return fmt.Errorf("name: %w", err)
	}
	if err := CheckRoles(u.Roles); err != nil {
		return err
	}
	cost, err := bcrypt.Cost([]byte(u.PasswordHash))
	if err != nil {
		return errors.New("password_hash: it is no hash of bcrypt; console user writes one")
	}
	if cost < minCost {
		return fmt.Errorf("password_hash: its cost is %d, at least %d is needed", cost, minCost)
	}
	return nil
}

// CheckRoles returns an error that names a role that there is not, or says that none is given.
func CheckRoles(roles []Role) error {
	if len(roles) == 0 {
		return fmt.Errorf("roles: there is none; choose from %s", roleNames())
	}
	for _, role := range roles {
		if !slices.Contains(Roles(), role) {
			return fmt.Errorf("roles: %q is none; there are %s", role, roleNames())
		}
	}
	return nil
}

func roleNames() string {
	names := make([]string, len(Roles()))
	for i, role := range Roles() {
		names[i] = string(role)
	}
	return strings.Join(names, ", ")
}

// maxPassword is what bcrypt reads of a password, in bytes; minPassword the shortest that is taken.
const minPassword, maxPassword = 10, 72

// Entry writes a user as the file has it.
func Entry(name, password string, roles []Role) (string, error) {
	if len(password) < minPassword || len(password) > maxPassword {
		return "", fmt.Errorf("the password has %d bytes; it must have %d to %d", len(password),
			minPassword, maxPassword)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		return "", fmt.Errorf("hash the password: %w", err)
	}
	u := &User{Name: name, PasswordHash: string(hash), Roles: roles}
	if err := u.check(); err != nil {
		return "", err
	}
	text, err := yaml.Marshal([]*User{u})
	return string(text), err
}

// nobodysHash is compared with for a name that there is not, so that both take as long.
var nobodysHash = sync.OnceValue(func() []byte {
	hash, err := bcrypt.GenerateFromPassword([]byte(rand.Text()), bcrypt.DefaultCost)
	if err != nil {
		panic(err) // The text is short enough.
	}
	return hash
})

// signIn returns the user of a name and password; nil for a wrong one.
func (users Users) signIn(name, password string) *User {
	u, hash := users[name], nobodysHash()
	if u != nil {
		hash = []byte(u.PasswordHash)
	}
	if bcrypt.CompareHashAndPassword(hash, []byte(password)) != nil {
		return nil
	}
	return u
}

package providers

import (
	"slices"
	"strings"

	"tuma/internal/airtime"
)

// Spec is all that Tuma must know of one kind of provider. Each adapter has one; settings, checks,
// addresses and pages are made of it.
type Spec struct {
	// Title is the name as people write it.
	Title string
	// Capabilities have the kind's name.
	Capabilities Capabilities
	Settings     []Setting
	Options      []Option
	// Routes are where the provider calls us; none where it never does.
	Routes []Route
	// CallbackKey is the setting with the key that its callbacks carry; empty where they carry none.
	CallbackKey string
	// AirtimeService says that the airtime service of the inlet sends through this provider.
	AirtimeService bool
	// BaseURL returns where the provider is unless a setting says so; nil where nobody knows.
	BaseURL func(Values) string
	// Warnings are about values that are valid and yet not what one wants; nil has none.
	Warnings func(Values) []Warning
	// New returns the adapter.
	New func(Values, *Client) Provider
}

// KeyBaseURL is the setting that says where a provider is.
const KeyBaseURL = "base_url"

// Form is what a setting looks like.
type Form uint8

// The forms of settings.
const (
	FormText Form = iota
	// FormURL is scheme, host and port.
	FormURL
	FormSecret
)

// Setting is one setting of an account.
type Setting struct {
	// Key is its name in lower case, without the provider's.
	Key  string
	Form Form
	// Needed says that the provider is off without it.
	Needed bool
	// What says what it is for, on the page of all settings.
	What string
}

// Option is a choice that only the file has.
type Option struct {
	Key string
	// Words are what it may be, and Default is what it is if nobody says so. Without words it is a
	// list of networks, and Capabilities have the default.
	Words   []string
	Default string
	// Example is a value that is not the default, as the file has it.
	Example string
	What    string
	// Apply changes what is known of the provider; nil where only New looks at the choice.
	Apply func(c *Capabilities, word string)
}

// Route is one address that a provider is given for its calls.
type Route struct {
	// Path is what follows the provider's own address; empty for that itself.
	Path string
	// Asks says that the provider asks there before it pays; else it reports.
	Asks bool
	// Where is where the address is entered at the provider, for the page about providers.
	Where string
}

// Under returns the path of a route for a provider of that name.
func (r Route) Under(name string) string {
	if r.Path == "" {
		return name
	}
	return name + "/" + r.Path
}

// Warning says what is not as one wants it, and what to do.
type Warning struct{ Detail, Advice string }

// Values are the settings and choices of one account, by key. What is not set is empty.
type Values struct {
	Texts map[string]string
	// Secrets are asked whenever they are needed: a mounted one may change.
	Secrets map[string]func() string
	// Called is how messages call a setting.
	Called func(key string) string
}

// VariableName is what a setting is called in the environment.
func VariableName(kind, key string) string { return strings.ToUpper(kind + "_" + key) }

// CalledAs returns how messages call the settings of a kind: as told, else as the variables.
func CalledAs(given func(key string) string, kind string) func(key string) string {
	if given != nil {
		return given
	}
	return func(key string) string { return VariableName(kind, key) }
}

// Text returns a setting or a choice.
func (v Values) Text(key string) string { return v.Texts[key] }

// Secret returns what asks for a secret.
func (v Values) Secret(key string) func() string {
	if ask := v.Secrets[key]; ask != nil {
		return ask
	}
	return func() string { return "" }
}

// Setting returns the setting of a key.
func (s Spec) Setting(key string) (Setting, bool) {
	at := slices.IndexFunc(s.Settings, func(of Setting) bool { return of.Key == key })
	if at < 0 {
		return Setting{}, false
	}
	return s.Settings[at], true
}

// Option returns the option of a key.
func (s Spec) Option(key string) (Option, bool) {
	at := slices.IndexFunc(s.Options, func(of Option) bool { return of.Key == key })
	if at < 0 {
		return Option{}, false
	}
	return s.Options[at], true
}

// Credentials returns the keys without which the provider does not know us.
func (s Spec) Credentials() (keys []string) {
	for _, setting := range s.Settings {
		if setting.Needed && setting.Form != FormURL {
			keys = append(keys, setting.Key)
		}
	}
	return keys
}

// The words of a choice between yes and no.
const (
	yes = "true"
	no  = "false"
)

// AccountShared is the option that somebody else uses the account, too.
func AccountShared() Option {
	return Option{
		Key: "account_shared", Words: []string{yes, no}, Default: no, Example: yes,
		What: "Somebody else uses the account, too, such as another namespace: a callback is then " +
			"believed only by an id that we know, never by number and amount. It must be said by both.",
		Apply: func(c *Capabilities, word string) { c.Shared = word == yes },
	}
}

// ResendSameReference is the option to leave to people what a provider does not know.
func ResendSameReference(title string) Option {
	return Option{
		Key: "resend_same_reference", Words: []string{yes, no}, Default: yes, Example: no,
		What: "Send a batch that " + title + " does not know once more under its reference; else it " +
			"is left to people.",
		Apply: func(c *Capabilities, word string) { c.ResendSame = word == yes },
	}
}

// Networks is the option to say which networks a provider takes.
func Networks(title string) Option {
	return Option{
		Key: "networks", Example: "[safaricom, airtel, telkom, equitel]",
		What: "The networks that " + title + " takes: numbers of others are refused at the door, or " +
			"routed to the next provider of their rule. The default is what its page names.",
	}
}

// NetworkNames lists networks as the file does.
func NetworkNames(networks []airtime.Network) string {
	names := make([]string, len(networks))
	for i, network := range networks {
		names[i] = network.String()
	}
	return strings.Join(names, ",")
}

package config

import (
	"crypto/tls"
	"net/netip"
	"os"
	"time"

	"tuma/internal/routing"
)

// DefaultTimezone is the time zone of who names none.
const DefaultTimezone = "Africa/Nairobi"

// Config is every setting. It is valid as Load returns it, and read only.
type Config struct {
	// RedisURL may hold a password.
	RedisURL Secret
	// RedisMode is single, sentinel or cluster.
	RedisMode  string
	RedisFiles RedisFiles
	// RedisTLS is what RedisFiles hold; nil without any.
	RedisTLS      *tls.Config
	AllowVolatile bool
	Namespace     string
	// DefaultProvider takes what names no provider; empty when no provider is on.
	DefaultProvider string

	// MaxInFlight is the number of requests on the wire per provider, over all workers.
	MaxInFlight    int
	SubmitTimeout  time.Duration
	PollInitial    time.Duration
	PollMax        time.Duration
	PollMultiplier float64
	SendGuard      time.Duration
	SettleDelay    time.Duration
	SweepInterval  time.Duration
	// ClaimTimeout is after how long a batch that was claimed and not begun goes back.
	ClaimTimeout time.Duration
	Retention    time.Duration
	// StreamAge is the age at which results and rejected jobs are trimmed.
	StreamAge   time.Duration
	Concurrency int

	CallbackAddr  string
	CallbackToken Secret
	// CallbackAllow are the networks that may send callbacks; none means all.
	CallbackAllow []netip.Prefix
	// CallbackProxies are the proxies whose X-Forwarded-For is believed.
	CallbackProxies []netip.Prefix
	// TrustCallbacks are the providers whose callbacks are believed without a query.
	TrustCallbacks []string

	HTTPAddr string
	// HTTPTokens is the text of producer=token pairs; ParseTokens reads it.
	HTTPTokens Secret

	ConsoleAddr string
	// ConsoleUsers is the path of the file of users; empty for none.
	ConsoleUsers string

	// OpsAddr is empty when each process should take its own default.
	OpsAddr string
	// OpsHosts are host names, beside addresses and localhost, under which metrics are served.
	OpsHosts        []string
	MonitorWrite    bool
	MonitorUser     string
	MonitorPassword Secret

	// HoldOnLowFloat holds what would go beyond what is left at a provider.
	HoldOnLowFloat bool

	// Timezone is of the days of the books, and of what people read.
	Timezone *time.Location

	LogLevel string
	// LogFormat is json, console, or empty: console on a terminal and json elsewhere.
	LogFormat string

	// Instances are all accounts at providers that can be named, on or off here, in the order in
	// which the default is looked for.
	Instances []*Instance
	// Routing chooses the providers of those who name none.
	Routing routing.Rules
	// Webhooks are the endpoints of producers that pollers post results to.
	Webhooks []*Webhook
	// MinReplicas is how many replicas must hold a BeginSend before anything is sent, and
	// MinReplicasSet says that the file tells, if only that it is none.
	MinReplicas    int
	MinReplicasSet bool

	shown []string // What Describe returns.
}

// FromEnvironment loads the configuration of this process.
func FromEnvironment() (*Config, error) { return Load(os.Getenv, os.Environ()) }

// Describe returns every setting as name=value, in a fixed order, for the log at start. Secrets
// show as [secret].
func (c *Config) Describe() []string { return append([]string(nil), c.shown...) }

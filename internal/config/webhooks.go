package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"tuma/internal/routing"
	"tuma/internal/webhook"
)

// keyWebhooks is the key of the list of endpoints.
const keyWebhooks = "webhooks"

// The keys of an endpoint beside its name.
const (
	keyURL          = "url"
	keySecretFile   = "secret_file"
	keyProducers    = "producers"
	keyCampaigns    = "campaigns"
	keyAllowPrivate = "allow_private"
)

// mostWebhooks bounds the list: each is asked about twice a second.
const mostWebhooks = 100

// Webhook is an endpoint of a producer that results are posted to.
type Webhook struct {
	Name string
	URL  *url.URL
	// Secret is the text of the secrets by which requests are signed; see webhook.ParseSecrets.
	Secret Secret
	// Missing is why the file of the secret cannot be read here, which only pollers must; nil when it
	// can.
	Missing error
	// Producers and Campaigns are those whose results it gets: names, or beginnings of campaigns with
	// an asterisk behind them. None means any.
	Producers, Campaigns []string
	// AllowPrivate allows addresses of this machine and of private networks.
	AllowPrivate bool
}

// Wants reports whether a result is for the endpoint.
func (w *Webhook) Wants(producer, campaign string) bool {
	return (len(w.Producers) == 0 || slices.Contains(w.Producers, producer)) &&
		routing.MatchesCampaign(w.Campaigns, campaign)
}

// Host is the URL without its path and query, which may hold what only the producer knows.
func (w *Webhook) Host() string { return w.URL.Scheme + "://" + w.URL.Host }

// describe returns the endpoint as name=value.
func (w *Webhook) describe() string {
	return fmt.Sprintf("%s.%s=%s", keyWebhooks, w.Name, w.Host())
}

// webhookList reads the list of endpoints.
func (f *yamlFile) webhookList(node *yaml.Node) {
	if node.Kind != yaml.SequenceNode || len(node.Content) == 0 ||
		len(node.Content) > mostWebhooks {
		f.problem(node, keyWebhooks, "must be a list of 1 to %d endpoints; leave it out for none",
			mostWebhooks)
		return
	}
	for n, entry := range node.Content {
		r := webhookReader{entryReader: entryReader{
			yamlFile: f, node: entry, path: fmt.Sprintf("%s[%d]", keyWebhooks, n),
			texts: map[string]scalar{},
		}}
		f.webhooks = append(f.webhooks, r.read())
	}
}

// webhookReader reads one entry of the list.
type webhookReader struct {
	entryReader
	hook Webhook
}

func (r *webhookReader) read() *Webhook {
	before := len(*r.problems)
	r.fields(r.node, r.path+".", r.field)
	if r.node.Kind != yaml.MappingNode {
		return &r.hook
	}
	needed := []string{keyName, keyURL, keySecretFile}
	for _, key := range needed {
		if _, given := r.texts[key]; !given && len(*r.problems) == before {
			r.problem(r.node, r.path, "must have %s", strings.Join(needed, ", "))
		}
	}
	r.text(keyAllowPrivate, r.allowPrivate)
	r.text(keyName, r.name)
	r.text(keyURL, func(value string) (err error) {
		r.hook.URL, err = webhook.ParseURL(value, r.hook.AllowPrivate)
		return err
	})
	r.text(keySecretFile, r.secret)
	return &r.hook
}

func (r *webhookReader) field(key, path string, node *yaml.Node) {
	keys := []string{
		keyName, keyURL, keySecretFile, keyProducers, keyCampaigns, keyAllowPrivate,
	}
	switch key {
	case keyName, keyURL, keySecretFile, keyAllowPrivate:
		r.keep(key, path, node)
	case keyProducers:
		words(r.yamlFile, node, path, key, &r.hook.Producers, parseProducer)
	case keyCampaigns:
		words(r.yamlFile, node, path, key, &r.hook.Campaigns, parseCampaign)
	case "secret":
		r.problem(node, path, "belongs into a file: name it with %s", keySecretFile)
	default:
		r.unknownOf(key, path, node, keys)
	}
}

func (r *webhookReader) name(value string) error {
	r.hook.Name = value
	switch {
	case !instanceName.MatchString(value):
		return errors.New("must be 1 to 32 lower-case letters, digits and dashes")
	case slices.ContainsFunc(r.webhooks, func(w *Webhook) bool { return w.Name == value }):
		return errors.New("is there twice")
	}
	return nil
}

func (r *webhookReader) allowPrivate(value string) (err error) {
	if value != "true" && value != "false" {
		return errors.New("must be true or false")
	}
	r.hook.AllowPrivate, err = strconv.ParseBool(value)
	return err
}

// secret reads the file of the secret. Only pollers need it: it may be missing in other processes.
func (r *webhookReader) secret(path string) error {
	secret, err := SecretFile(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		r.hook.Missing = fmt.Errorf("%s: %w", r.texts[keySecretFile].where, err)
		return nil
	}
	if err != nil {
		return err
	}
	r.hook.Secret = secret
	_, err = webhook.ParseSecrets(secret.Value())
	return err
}

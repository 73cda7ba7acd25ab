package notify

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// Medium is how a channel reaches its receiver.
type Medium string

// The media.
const (
	Webhook Medium = "webhook"
	Mail    Medium = "mail"
)

// Topic is what a channel can be notified of at once.
type Topic string

// The topics. An alert has one of them.
const (
	Devices      Topic = "devices"      // alerts that devices raise themselves
	Updates      Topic = "updates"      // devices that returned with their old version, used up their attempts, run other bytes ...
	Failures     Topic = "failures"     // more updates failed than the team's limit
	Halts        Topic = "halts"        // releases that halted, ask, or take themselves back
	Certificates Topic = "certificates" // certificates that expire soon
	Disk         Topic = "disk"         // a disk that is almost full; a store that came back older
	Security     Topic = "security"     // guessed secrets, two units with one id
	Limits       Topic = "limits"       // quotas that are used up, and everything else
)

// Topics are all topics.
var Topics = []Topic{Devices, Updates, Failures, Halts, Certificates, Disk, Security, Limits}

// Names of alerts that this package raises.
const (
	failuresAlert    = "update_failures"
	undeliveredAlert = "notification_failed"
)

// topics are the topics of Muster's alerts that are not about limits.
var topics = map[string]Topic{
	"": Devices, "rolled_back": Updates, "update_exhausted": Updates, "no_way": Updates, "digest_differs": Updates, "label_mismatch": Updates, "image_unreadable": Updates,
	failuresAlert: Failures, "release_halted": Halts, "release_asks": Halts, "release_reverting": Halts,
	"certificate_expiring": Certificates, "disk_low": Disk, "store_older": Disk, "secret_guessed": Security, "duplicate_id": Security,
}

// TopicOf returns the topic of an alert with this name; "" for the one that a notification could
// not be delivered, of which nobody is notified.
func TopicOf(alert string) Topic {
	if alert == undeliveredAlert {
		return ""
	}
	if topic, known := topics[alert]; known {
		return topic
	}
	return Limits
}

// Digest is how often a channel gets a summary.
type Digest string

// The digests.
const (
	NoDigest Digest = ""
	Daily    Digest = "daily"  // every day
	Weekly   Digest = "weekly" // every Monday
)

// Channel is where notifications of a team go.
type Channel struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Kind    Medium    `json:"kind"`
	URL     string    `json:"url,omitempty"`    // of a webhook
	Secret  string    `json:"secret,omitempty"` // of a webhook: what it signs with
	To      []string  `json:"to,omitempty"`     // addresses, of mail
	Topics  []Topic   `json:"topics"`
	Digest  Digest    `json:"digest,omitempty"`
	Hour    int       `json:"hour"`           // local, at which a digest is sent
	Zone    string    `json:"zone,omitempty"` // IANA name of Hour's zone; "": UTC
	Paused  bool      `json:"paused,omitempty"`
	Created time.Time `json:"created"`
	Since   time.Time `json:"since"` // digests begin after this
}

// Limits of a team's channels.
const (
	maxChannels   = 20
	maxRecipients = 10
	maxName       = 64 // letters
)

// check returns what is wrong with c, as an error about one field. It brings lists into their
// stored form.
func (s *Service) check(c *Channel) error {
	if c.Name = strings.TrimSpace(c.Name); c.Name == "" {
		return fleet.FieldErrorf("name", "the name is missing: it says whom or what the channel reaches")
	}
	if err := fleet.CheckText("name", c.Name, maxName); err != nil {
		return err
	}
	if _, err := c.zone(); err != nil {
		return fleet.FieldErrorf("zone", "%.60q is not a time zone: use a name such as Europe/Berlin, or UTC", c.Zone)
	}
	if c.Hour < 0 || c.Hour > 23 {
		return fleet.FieldErrorf("hour", "hour is %d: use 0 to 23", c.Hour)
	}
	if !slices.Contains([]Digest{NoDigest, Daily, Weekly}, c.Digest) {
		return fleet.FieldErrorf("digest", "%.40q: use daily or weekly, or leave it empty", string(c.Digest))
	}
	for _, t := range c.Topics {
		if !slices.Contains(Topics, t) {
			return fleet.FieldErrorf("topics", "%.40q is not a topic: use %s", string(t), topicList())
		}
	}
	c.Topics = slices.DeleteFunc(slices.Clone(Topics), func(t Topic) bool { return !slices.Contains(c.Topics, t) })
	if len(c.Topics) == 0 && c.Digest == NoDigest {
		return fleet.FieldErrorf("topics", "the channel has no topic and no digest: name topics, of %s", topicList())
	}
	switch c.Kind {
	case Webhook:
		if len(c.To) > 0 {
			return fleet.FieldErrorf("to", "a webhook has no mail addresses: add a channel of kind mail for them")
		}
		if err := s.config.Webhook.Guard.CheckURL(c.URL); err != nil {
			return fleet.FieldErrorf("url", "%s", err)
		}
	case Mail:
		if c.URL != "" {
			return fleet.FieldErrorf("url", "mail has no URL: add a channel of kind webhook for it")
		}
		return s.checkRecipients(c)
	default:
		return fleet.FieldErrorf("kind", "%.40q: use webhook or mail", string(c.Kind))
	}
	return nil
}

func (s *Service) checkRecipients(c *Channel) error {
	if s.config.Mail == nil {
		return fleet.FieldErrorf("kind", "this server sends no mail: its operator sets mail.server first; webhooks work")
	}
	if len(c.To) == 0 || len(c.To) > maxRecipients {
		return fleet.FieldErrorf("to", "name 1 to %d mail addresses", maxRecipients)
	}
	for i, to := range c.To {
		address, err := fleet.ParseEmail(to)
		if err != nil {
			return fleet.FieldErrorf("to", "%s", err)
		}
		c.To[i] = address
	}
	slices.Sort(c.To)
	c.To = slices.Compact(c.To)
	return nil
}

func topicList() string {
	var names []string
	for _, t := range Topics {
		names = append(names, string(t))
	}
	return strings.Join(names, ", ")
}

func (c Channel) zone() (*time.Location, error) { return time.LoadLocation(c.Zone) }

// Receiver is the host of a webhook, or the addresses of mail.
func (c Channel) Receiver() string {
	if c.Kind == Mail {
		return strings.Join(c.To, ", ")
	}
	rest := c.URL[strings.Index(c.URL, "//")+2:]
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		rest = rest[:i]
	}
	return rest
}

// Settings are a team's limits.
type Settings struct {
	Percent int `json:"percent"` // of updates that ended within an hour: more failed ones raise an alert; 0: never
	Sample  int `json:"sample"`  // updates that must have ended before a share counts
}

var defaults = Settings{Percent: 10, Sample: 20}

func (s Settings) check() error {
	switch {
	case s.Percent < 0 || s.Percent > 100:
		return fleet.FieldErrorf("failure_percent", "failure_percent is %d: use 1 to 100, or 0 for no alert", s.Percent)
	case s.Sample < 1 || s.Sample > 1_000_000:
		return fleet.FieldErrorf("failure_sample", "failure_sample is %d: use 1 to 1,000,000", s.Sample)
	}
	return nil
}

// encoded is a stored form of v, which can always be encoded.
func encoded(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func decoded[T any](text string) (v T, err error) {
	if err = json.Unmarshal([]byte(text), &v); err != nil {
		err = fmt.Errorf("stored as %.80q: %w", text, err)
	}
	return v, err
}

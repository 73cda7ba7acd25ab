package cli

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
)

type notifyCmd struct {
	List     notifyListCmd     `cmd:"" help:"List where notifications go." example:"muster notify list"`
	Add      notifyAddCmd      `cmd:"" help:"Add a webhook or mail addresses; the secret of a webhook is shown only once." example:"muster notify add on-call --webhook https://example.com/hooks/muster --topics halts,failures"`
	Edit     notifyEditCmd     `cmd:"" help:"Change a channel, or pause it." example:"muster notify edit k3v7q2 --digest weekly --zone Europe/Berlin"`
	Delete   notifyDeleteCmd   `cmd:"" help:"Delete channels." example:"muster notify delete k3v7q2"`
	Test     notifyTestCmd     `cmd:"" help:"Send a test now and show what became of it." example:"muster notify test k3v7q2"`
	Secret   notifySecretCmd   `cmd:"" help:"Replace the secret that a webhook's requests are signed with." example:"muster notify secret k3v7q2"`
	Log      notifyLogCmd      `cmd:"" help:"List the newest notifications and whether they arrived." example:"muster notify log --state failed"`
	Send     notifySendCmd     `cmd:"" help:"Send notifications again, with their ids and contents." example:"muster notify send ntf_3kq9..."`
	Settings notifySettingsCmd `cmd:"" help:"Show or set when failed updates raise an alert." example:"muster notify settings --failures 5 --sample 50"`
}

// notifyFlags are what a channel has besides its name and receiver.
type notifyFlags struct {
	Topics *string `help:"Notify at once of these, separated by commas: devices, updates, failures, halts, certificates, disk, security, limits." placeholder:"TOPIC,..."`
	Digest *string `help:"Send a summary: daily, weekly (on Mondays), or none." placeholder:"PERIOD"`
	Hour   *int    `help:"Hour of the day at which it is sent." placeholder:"0-23"`
	Zone   *string `help:"Time zone of the hour, such as Europe/Berlin." placeholder:"ZONE"`
}

// period is a digest on the command line, as the API takes it.
func (f notifyFlags) period() *string {
	if f.Digest == nil || *f.Digest != "none" {
		return f.Digest
	}
	none := ""
	return &none
}

type notifyListCmd struct{ remote }

// Run lists channels.
func (c *notifyListCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) ([]api.Channel, error) { return s.Channels(ctx) }, func(t *table, channels []api.Channel) {
		t.hint(len(channels), "Nobody is notified yet: muster notify add NAME --webhook URL, or --mail ADDRESS")
		t.row("ID", "NAME", "KIND", "TO", "TOPICS", "DIGEST", "PAUSED")
		for _, one := range channels {
			t.row(one.ID, one.Name, one.Kind, one.Receiver, one.Topics, digestText(one), map[bool]string{true: "yes"}[one.Paused])
		}
	})
}

func digestText(c api.Channel) string {
	if c.Digest == "" {
		return ""
	}
	return fmt.Sprintf("%s at %02d:00 %s", c.Digest, c.Hour, cmp.Or(c.Zone, "UTC"))
}

type notifyAddCmd struct {
	remote
	notifyFlags
	Name    string `arg:"" help:"What it reaches, for people."`
	Webhook string `xor:"to" required:"" help:"Post to this URL. Requests are signed by the Standard Webhooks specification." placeholder:"URL"`
	Mail    string `xor:"to" required:"" help:"Mail to these addresses, separated by commas." placeholder:"ADDRESS,..."`
}

// Run adds a channel.
func (c *notifyAddCmd) Run(ctx context.Context) error {
	n := api.NewChannel{Name: c.Name, Kind: "webhook", URL: c.Webhook, Hour: c.Hour}
	if c.Mail != "" {
		n.Kind, n.To = "mail", names(c.Mail)
	}
	if c.Topics != nil {
		topics := names(*c.Topics)
		n.Topics = &topics
	}
	if p := c.period(); p != nil {
		n.Digest = *p
	}
	if c.Zone != nil {
		n.Zone = *c.Zone
	}
	return ask(ctx, c, func(s server) (api.Channel, error) { return s.CreateChannel(ctx, n) }, drawChannel)
}

func drawChannel(t *table, c api.Channel) {
	t.row("ID", "NAME", "KIND", "TO", "TOPICS", "DIGEST")
	t.row(c.ID, c.Name, c.Kind, c.Receiver, c.Topics, digestText(c))
	if c.Secret != "" {
		t.line("Secret, shown only now: %s", c.Secret)
	}
}

type notifyEditCmd struct {
	remote
	notifyFlags
	ID      string  `arg:"" help:"Channel id, as muster notify list shows it."`
	Name    *string `help:"Rename it." placeholder:"NAME"`
	Webhook *string `help:"Post to this URL." placeholder:"URL"`
	Mail    *string `help:"Mail to these addresses instead, separated by commas." placeholder:"ADDRESS,..."`
	Paused  *bool   `negatable:"" help:"Send nothing; what happens meanwhile is not sent later."`
}

// Run changes a channel.
func (c *notifyEditCmd) Run(ctx context.Context) error {
	u := api.ChannelUpdate{Name: c.Name, URL: c.Webhook, Digest: c.period(), Hour: c.Hour, Zone: c.Zone, Paused: c.Paused}
	if c.Mail != nil {
		to := names(*c.Mail)
		u.To = &to
	}
	if c.Topics != nil {
		topics := names(*c.Topics)
		u.Topics = &topics
	}
	if u == (api.ChannelUpdate{}) {
		return Misuse("nothing to change: see muster notify edit --help")
	}
	return ask(ctx, c, func(s server) (api.Channel, error) { return s.UpdateChannel(ctx, c.ID, u) }, drawChannel)
}

type notifyDeleteCmd struct {
	remote
	agree
	ID []string `arg:"" name:"id" help:"Channel ids."`
}

// Run deletes channels.
func (c *notifyDeleteCmd) Run(ctx context.Context) error {
	if _, err := c.reach(ctx); err != nil {
		return err // before asking
	}
	if err := c.confirm(ctx, "Delete %s? Nobody is notified there any more.", strings.Join(c.ID, " ")); err != nil {
		return err
	}
	return each(ctx, c, c.ID, (*client.Client).DeleteChannel, "deleted")
}

type notifyTestCmd struct {
	remote
	ID string `arg:"" help:"Channel id, as muster notify list shows it."`
}

// Run sends a test. It fails if that did not arrive.
func (c *notifyTestCmd) Run(ctx context.Context) error {
	s, err := c.reach(ctx)
	if err != nil {
		return err
	}
	n, err := s.TestChannel(ctx, c.ID)
	if err != nil {
		return err
	}
	if n.State != "sent" {
		return fmt.Errorf("channel %s: %s", n.Name, lastError(n))
	}
	return c.show(n, func(t *table) { t.line("%s: it arrived.", n.Name) })
}

// lastError is why the newest attempt failed, "" if it did not.
func lastError(n api.Notification) string {
	if len(n.Attempts) == 0 {
		return ""
	}
	return n.Attempts[len(n.Attempts)-1].Error
}

type notifySecretCmd struct {
	remote
	agree
	ID string `arg:"" help:"Channel id, as muster notify list shows it."`
}

// Run replaces a secret.
func (c *notifySecretCmd) Run(ctx context.Context) error {
	if _, err := c.reach(ctx); err != nil {
		return err // before asking
	}
	if err := c.confirm(ctx, "Replace the secret of %s? Its receiver refuses requests until it knows the new one.", c.ID); err != nil {
		return err
	}
	return ask(ctx, c, func(s server) (api.Channel, error) { return s.RotateChannel(ctx, c.ID) }, drawChannel)
}

type notifyLogCmd struct {
	remote
	Channel string `help:"Only of this channel." placeholder:"ID"`
	State   string `help:"Only those in this state: waiting, sent or failed." placeholder:"STATE"`
	Limit   int    `default:"50" help:"Maximum number of rows; 0 for all." placeholder:"N"`
}

// Run lists notifications.
func (c *notifyLogCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) ([]api.Notification, error) {
		return upTo(c.Limit, func(after string, rows int) (api.Page[api.Notification], error) {
			return s.Notifications(ctx, c.Channel, c.State, after, rows)
		})
	}, func(t *table, all []api.Notification) {
		t.hint(len(all), "No notifications yet: muster notify test sends one.")
		t.row("ID", "MADE", "CHANNEL", "STATE", "ATTEMPTS", "SUBJECT", "LAST ERROR")
		for _, n := range all {
			t.row(n.ID, n.Created, n.Name, n.State, len(n.Attempts), clip(n.Subject, 60), clip(lastError(n), 80))
		}
	})
}

type notifySendCmd struct {
	remote
	ID []string `arg:"" name:"id" help:"Notification ids, as muster notify log shows them."`
}

// Run sends notifications again.
func (c *notifySendCmd) Run(ctx context.Context) error {
	return each(ctx, c, c.ID, func(s *client.Client, ctx context.Context, id string) error {
		_, err := s.SendAgain(ctx, id)
		return err
	}, "queued")
}

type notifySettingsCmd struct {
	remote
	Failures *int `help:"Raise the alert update_failures when more than this share of a product's updates that ended within an hour failed; 0 for never." placeholder:"PERCENT"`
	Sample   *int `help:"Updates that must have ended in the hour." placeholder:"N"`
}

// Run sets what is given and shows the settings.
func (c *notifySettingsCmd) Run(ctx context.Context) error {
	return ask(ctx, c, func(s server) (api.NotifySettings, error) {
		if c.Failures == nil && c.Sample == nil {
			return s.NotifySettings(ctx)
		}
		return s.SetNotifySettings(ctx, api.NotifySettings{Percent: c.Failures, Sample: c.Sample})
	}, func(t *table, s api.NotifySettings) {
		t.row("FAILED UPDATES", "OF AT LEAST", "MAIL")
		t.row("more than "+strconv.Itoa(*s.Percent)+" %", strconv.Itoa(*s.Sample), map[bool]string{true: "configured", false: "not configured"}[s.Mail])
	})
}

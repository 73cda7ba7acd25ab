package console

import (
	"strconv"
	"strings"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/notify"
)

const notificationsPath = "/team/notifications"

// notificationsBody is the page of the team's notifications.
type notificationsBody struct {
	Channels []notify.Channel
	Log      []*notify.Notification
	Topics   []topicChoice
	Hours    []int
	Settings notify.Settings
	Mail     bool
	New      channelSecret // of a webhook, shown only once
}

// topicChoice is a topic to choose.
type topicChoice struct {
	Topic notify.Topic
	Text  string
}

// topicChoices explain the topics.
var topicChoices = []topicChoice{
	{notify.Devices, "alerts that devices raise"},
	{notify.Updates, "devices whose update failed for good"},
	{notify.Failures, "too many failed updates"},
	{notify.Halts, "releases that halt"},
	{notify.Certificates, "certificates about to expire"},
	{notify.Disk, "a disk that is almost full"},
	{notify.Security, "guessed secrets, duplicate ids"},
	{notify.Limits, "quotas, and everything else"},
}

// channelSecret is the secret of a webhook with its name.
type channelSecret struct{ Name, Secret string }

// logShown is how many notifications the page lists.
const logShown = 50

func (v teamPages) notificationsPage() error {
	channels, err := v.config.Notify.Channels(v.ctx(), v.actor)
	if err != nil {
		return err
	}
	b := notificationsBody{Channels: channels, Topics: topicChoices, New: shownOnce[channelSecret](v.visit)}
	for h := range 24 {
		b.Hours = append(b.Hours, h)
	}
	if b.Settings, b.Mail, err = v.config.Notify.Settings(v.ctx(), v.actor); err != nil {
		return err
	}
	log, err := v.config.Notify.Log(v.ctx(), v.actor, "", "")
	b.Log = log[:min(len(log), logShown)]
	if err != nil {
		return err
	}
	return v.show("notifications", "Notifications", b)
}

// editNotifications does what a button of the page stands for.
func (v teamPages) editNotifications() error {
	service, id := v.config.Notify, v.text("id")
	switch v.text("act") {
	case "add":
		return v.addChannel()
	case "edit":
		c, err := service.Edit(v.ctx(), v.actor, id, v.readChannel)
		return v.after(err, notificationsPath, "Saved "+c.Name+".")
	case "pause", "resume":
		paused := v.text("act") == "pause"
		c, err := service.Edit(v.ctx(), v.actor, id, func(c *notify.Channel) { c.Paused = paused })
		return v.after(err, notificationsPath, c.Name+map[bool]string{true: " is paused.", false: " is active."}[paused])
	case "test":
		return v.testChannel(id)
	case "secret":
		if err := v.kept.hasRoom(v.actor, 1); err != nil {
			return err
		}
		c, err := service.RotateSecret(v.ctx(), v.actor, id)
		if err != nil {
			return err
		}
		return v.showOnce(notificationsPath, channelSecret{c.Name, c.Secret}, 1)
	case "delete":
		return v.after(service.Delete(v.ctx(), v.actor, id), notificationsPath, "Deleted the channel.")
	case "again":
		n, err := service.SendAgain(v.ctx(), v.actor, id)
		if err != nil {
			return err
		}
		return v.done(notificationsPath, "Sending it to "+n.Name+" again.")
	case "settings":
		percent, wrong := strconv.Atoi(v.text("failure_percent"))
		sample, too := strconv.Atoi(v.text("failure_sample"))
		if wrong != nil || too != nil {
			return fleet.FieldErrorf("failure_percent", "use whole numbers")
		}
		err := service.Set(v.ctx(), v.actor, notify.Settings{Percent: percent, Sample: sample})
		return v.after(err, notificationsPath, "Saved.")
	}
	return fleet.Errorf(fleet.Invalid, "unknown action: use a button on the page")
}

func (v teamPages) addChannel() error {
	c := notify.Channel{Kind: notify.Medium(v.text("kind"))}
	v.readChannel(&c)
	if err := v.kept.hasRoom(v.actor, 1); err != nil {
		return err
	}
	c, err := v.config.Notify.Create(v.ctx(), v.actor, c)
	if err != nil {
		return err
	}
	if c.Secret == "" {
		return v.done(notificationsPath, "Added "+c.Name+": send a test to see whether it arrives.")
	}
	return v.showOnce(notificationsPath, channelSecret{c.Name, c.Secret}, 1)
}

// readChannel sets what the form has of a channel.
func (v teamPages) readChannel(c *notify.Channel) {
	c.Name, c.URL, c.Zone, c.Digest = v.text("name"), v.text("url"), v.text("zone"), notify.Digest(v.text("digest"))
	c.To = strings.FieldsFunc(v.text("to"), func(r rune) bool { return r == ',' || r == ' ' || r == ';' || r == '\n' || r == '\r' })
	c.Hour, _ = strconv.Atoi(v.text("hour")) // the form has a list
	c.Topics = nil
	for _, name := range v.names("topic") {
		c.Topics = append(c.Topics, notify.Topic(name))
	}
}

func (v teamPages) testChannel(id string) error {
	n, err := v.config.Notify.Test(v.ctx(), v.actor, id)
	if err != nil {
		return err
	}
	said := "The test has arrived at " + n.Name + "."
	if n.State != notify.Sent {
		said = "The test did not arrive at " + n.Name + ": " + n.Tries[len(n.Tries)-1].Error
	}
	return v.done(notificationsPath, said)
}

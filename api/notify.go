package api

import "time"

// Channel is where notifications of the team go.
type Channel struct {
	ID       string     `json:"id"`
	Name     string     `json:"name"`
	Kind     string     `json:"kind" enum:"webhook,mail"`
	URL      string     `json:"url,omitempty" doc:"Of a webhook"`
	Secret   string     `json:"secret,omitempty" doc:"Of a webhook, by the Standard Webhooks specification; shown only when it is created or rotated"`
	To       []string   `json:"to,omitempty" doc:"Addresses, of mail"`
	Topics   []string   `json:"topics" doc:"What it is notified of at once"`
	Digest   string     `json:"digest" enum:",daily,weekly" doc:"A summary every day, or every Monday; empty: none"`
	Hour     int        `json:"hour" doc:"At which a digest is sent, in zone"`
	Zone     string     `json:"zone" doc:"Time zone of hour"`
	Paused   bool       `json:"paused" doc:"Nothing is sent while it is true, and what happens meanwhile is not sent later"`
	Receiver string     `json:"receiver" doc:"The host of the URL, or the addresses"`
	Created  *time.Time `json:"created_at"`
}

// ChannelList is the team's channels, by name.
type ChannelList struct {
	Channels []Channel `json:"channels"`
}

// NewChannel asks for a channel.
type NewChannel struct {
	Name   string `json:"name"`
	Kind   string `json:"kind" enum:"webhook,mail"`
	URL    string `json:"url,omitempty" doc:"Of a webhook. It must lead to the internet, or to a network that the server's operator allows"`
	To     Names  `json:"to,omitempty" doc:"Addresses, of mail"`
	Topics *Names `json:"topics,omitempty" doc:"Any of devices, updates, failures, halts, certificates, disk, security, limits; absent: all"`
	Digest string `json:"digest,omitempty" enum:",daily,weekly"`
	Hour   *int   `json:"hour,omitempty" doc:"0 to 23; absent: 7"`
	Zone   string `json:"zone,omitempty" doc:"Time zone of hour, such as Europe/Berlin; absent: UTC"`
}

// ChannelUpdate changes a channel. What is absent stays as it is.
type ChannelUpdate struct {
	Name   *string `json:"name,omitempty"`
	URL    *string `json:"url,omitempty"`
	To     *Names  `json:"to,omitempty"`
	Topics *Names  `json:"topics,omitempty"`
	Digest *string `json:"digest,omitempty" enum:",daily,weekly"`
	Hour   *int    `json:"hour,omitempty"`
	Zone   *string `json:"zone,omitempty"`
	Paused *bool   `json:"paused,omitempty"`
}

// NotifySettings are limits of the team's notifications.
type NotifySettings struct {
	Percent *int `json:"failure_percent,omitempty" doc:"When more than this share of a product's updates that ended within an hour failed, the alert update_failures is raised; 0: never"`
	Sample  *int `json:"failure_sample,omitempty" doc:"Updates that must have ended in the hour"`
	Mail    bool `json:"mail" readOnly:"true" doc:"Whether this server sends mail"`
}

// Notification is one message to one channel, with what became of it.
type Notification struct {
	ID       string         `json:"id" doc:"The same at every attempt"`
	Channel  string         `json:"channel"`
	Name     string         `json:"name" doc:"Of the channel when it was made"`
	About    string         `json:"about" enum:"alerts,digest,test"`
	Subject  string         `json:"subject"`
	State    string         `json:"state" enum:"waiting,sent,failed"`
	Created  *time.Time     `json:"created_at"`
	Due      *time.Time     `json:"due_at" doc:"Of the next attempt; null: there is none"`
	Alerts   int            `json:"alerts" doc:"How many it is about"`
	Counts   map[string]int `json:"counts,omitempty" doc:"These, by name"`
	Attempts []Attempt      `json:"attempts" doc:"The newest, oldest first"`
}

// Attempt is one try to deliver a notification.
type Attempt struct {
	At     *time.Time `json:"at"`
	TookMS int64      `json:"took_ms"`
	Status int        `json:"status,omitempty" doc:"HTTP status of the answer"`
	Error  string     `json:"error,omitempty" doc:"Absent: it arrived"`
}

// Package cli is the operator's side of the command line: one file per noun, each verb a
// thin layer over the REST client. It hides which server a verb asks and with which token,
// how answers and questions look (output.go), and where sign-ins are kept.
package cli

// Verbs is the operator's part of the command line, for kong.
type Verbs struct {
	Login    loginCmd    `cmd:"" group:"Sign in:" help:"Sign in to a server; the token is stored in your configuration folder." example:"muster login https://muster.example.com --email me@example.com"`
	Logout   logoutCmd   `cmd:"" group:"Sign in:" help:"Sign out and revoke the token." example:"muster logout"`
	Password passwordCmd `cmd:"" group:"Sign in:" help:"Change your password; revokes all your tokens except the one in use." example:"muster password"`
	Accept   acceptCmd   `cmd:"" group:"Sign in:" help:"Accept an invitation and sign in." example:"muster accept 'https://muster.example.com/v1/invitation#msi_1_0f3a...'"`
	Context  contextCmd  `cmd:"" group:"Sign in:" help:"Contexts: the servers you are signed in to."`

	Product  productCmd  `cmd:"" group:"Operate:" help:"Products: list, create, edit, delete."`
	Device   deviceCmd   `cmd:"" group:"Operate:" help:"Devices: list, import, update, why, lock, flash, command ..."`
	Group    groupCmd    `cmd:"" group:"Operate:" help:"Groups: list, create, edit, delete; add and remove devices."`
	Firmware firmwareCmd `cmd:"" group:"Operate:" help:"Firmware: list, upload, download, release, unrelease ..."`
	Release  releaseCmd  `cmd:"" group:"Operate:" help:"Releases with a plan: create, list, watch, approve, pause, halt, revert ..."`
	Update   updateCmd   `cmd:"" group:"Operate:" help:"Updates: list, stop, retry."`
	Job      jobCmd      `cmd:"" group:"Operate:" help:"Jobs that change many devices in the background: list, show, watch, cancel."`
	Filter   filterCmd   `cmd:"" group:"Operate:" help:"Saved filters of devices: list, save, delete."`
	Fleet    fleetCmd    `cmd:"" group:"Operate:" help:"Watch versions and releases live."`
	Message  messageCmd  `cmd:"" group:"Operate:" help:"Messages: list what devices sent, send one."`
	Events   eventsCmd   `cmd:"" group:"Operate:" help:"Stream events as they happen: connections, handshakes, updates, edits." example:"muster events muster/update --device lamp-7"`
	Alert    alertCmd    `cmd:"" group:"Operate:" help:"Alerts: list, archive, restore."`

	Export exportCmd `cmd:"" group:"Operate:" help:"Export devices, updates, messages, alerts or the audit log as CSV or JSON lines."`
	Notify notifyCmd `cmd:"" group:"Operate:" help:"Notifications: webhooks, mail, digests, and what became of them."`

	Team    teamCmd    `cmd:"" group:"Team:" help:"Teams: list, create, use, rename, hand over, delete."`
	User    userCmd    `cmd:"" group:"Team:" help:"Users: list, invite, role, groups, remove."`
	Program programCmd `cmd:"" group:"Team:" help:"Programs: service accounts that sign in with a token."`
	Token   tokenCmd   `cmd:"" group:"Team:" help:"Your tokens: list, create, revoke."`
	Audit   auditCmd   `cmd:"" group:"Team:" help:"The audit log: who changed what."`

	Completion completionCmd `cmd:"" group:"About:" help:"Print a shell's completion script." example:"source <(muster completion bash)"`
	Complete   completeCmd   `cmd:"" group:"About:" hidden:"" passthrough:""`
}

package record

import "github.com/muster-iot/muster/fleet"

// Team packs all of a team.
var Team = Codec[fleet.Team]{func(f *fields, t *fleet.Team) {
	number(f, 1, &t.ID)
	text(f, 2, &t.Name)
	instant(f, 3, &t.Created)
}}

// Member packs all of a member.
var Member = Codec[fleet.Member]{func(f *fields, m *fleet.Member) {
	number(f, 1, &m.Team)
	number(f, 2, &m.User)
	text(f, 3, &m.Email)
	number(f, 4, &m.Role)
	groups(f, 5, &m.Groups)
	instant(f, 6, &m.Joined)
	flag(f, 7, &m.Program)
}}

// Group packs all of a group.
var Group = Codec[fleet.Group]{func(f *fields, g *fleet.Group) {
	number(f, 1, &g.ID)
	number(f, 2, &g.Team)
	number(f, 3, &g.Product)
	text(f, 4, &g.Name)
	text(f, 5, &g.Description)
	text(f, 6, &g.Color)
	instant(f, 7, &g.Created)
}}

// Invitation packs all of an invitation.
var Invitation = Codec[fleet.Invitation]{func(f *fields, i *fleet.Invitation) {
	text(f, 1, &i.ID)
	number(f, 2, &i.Team)
	text(f, 3, &i.Email)
	array(f, 4, i.Hash[:])
	number(f, 5, &i.Role)
	groups(f, 6, &i.Groups)
	text(f, 7, &i.By)
	instant(f, 8, &i.Created)
	instant(f, 9, &i.Expires)
}}

// User packs all of a user.
var User = Codec[fleet.User]{func(f *fields, u *fleet.User) {
	number(f, 1, &u.ID)
	text(f, 2, &u.Email)
	text(f, 3, &u.Name)
	text(f, 4, &u.Password)
	instant(f, 5, &u.Created)
}}

// Token packs all of a token.
var Token = Codec[fleet.Token]{func(f *fields, t *fleet.Token) {
	text(f, 1, &t.ID)
	array(f, 2, t.Hash[:])
	number(f, 3, &t.User)
	number(f, 4, &t.Team)
	text(f, 5, &t.Label)
	instant(f, 6, &t.Created)
	instant(f, 7, &t.Expires)
	text(f, 8, &t.Parent)
	instant(f, 9, &t.Used)
	text(f, 10, &t.From)
}}

// Product packs all of a product.
var Product = Codec[fleet.Product]{func(f *fields, p *fleet.Product) {
	number(f, 1, &p.ID)
	number(f, 2, &p.Team)
	text(f, 3, &p.Slug)
	text(f, 4, &p.Name)
	text(f, 5, &p.Description)
	instant(f, 6, &p.Created)
	number(f, 7, &p.Roaming) // once a flag: 1 is RoamingGroups
	number(f, 8, &p.AutoRegister)
}}

// Firmware packs all of a firmware.
var Firmware = Codec[fleet.Firmware]{func(f *fields, w *fleet.Firmware) {
	number(f, 1, &w.Product)
	version(f, 2, &w.Version)
	text(f, 3, &w.Title)
	text(f, 4, &w.Description)
	text(f, 5, &w.File)
	number(f, 6, &w.Size)
	array(f, 7, w.Digest[:])
	instant(f, 8, &w.Uploaded)
	text(f, 9, &w.By)
	flag(f, 10, &w.WasReleased)
	instant(f, 11, &w.Ran)
	flag(f, 12, &w.Forced)
	text(f, 13, &w.Metadata.Format)
	text(f, 14, &w.Metadata.Version)
	text(f, 15, &w.Metadata.Project)
	text(f, 16, &w.Metadata.Hardware)
	text(f, 17, &w.Metadata.MinRevision)
	text(f, 18, &w.Metadata.Depends)
	number(f, 19, &w.Metadata.Counter)
	flag(f, 20, &w.Metadata.Signed)
	flag(f, 21, &w.Metadata.Encrypted)
	text(f, 22, &w.Metadata.Built)
	text(f, 23, &w.Metadata.SDK)
	words(f, 24, &w.Hardware)
	version(f, 25, &w.Requires.From)
	version(f, 26, &w.Requires.Below)
	number(f, 27, &w.Floor)
	text(f, 28, &w.Object)
	text(f, 29, &w.Notes)
}}

// Update packs all of an update.
var Update = Codec[fleet.Update]{func(f *fields, u *fleet.Update) {
	array(f, 1, u.ID[:])
	number(f, 2, &u.Product)
	version(f, 3, &u.From)
	version(f, 4, &u.To)
	array(f, 5, u.Digest[:])
	number(f, 6, &u.Size)
	number(f, 7, &u.State)
	number(f, 8, &u.Reason)
	text(f, 9, &u.Text)
	number(f, 10, &u.Attempt)
	number(f, 11, &u.Next)
	instant(f, 12, &u.Started)
	instant(f, 13, &u.Stored)
	instant(f, 14, &u.Applied)
	instant(f, 15, &u.Changed)
	number(f, 16, &u.Release)
	version(f, 17, &u.Goal)
}}

// Attempts packs all of a device's attempts.
var Attempts = Codec[fleet.Attempts]{func(f *fields, a *fleet.Attempts) {
	version(f, 1, &a.Target)
	number(f, 2, &a.Spent)
	instant(f, 3, &a.NotBefore)
	number(f, 4, &a.Transfers)
	flag(f, 5, &a.Held)
	number(f, 6, &a.Since)
	number(f, 7, &a.Pause)
	flag(f, 8, &a.NoWay)
}}

// Moves packs the moves of a catalog, each as one field.
var Moves = Codec[[]fleet.Move]{func(f *fields, moves *[]fleet.Move) {
	if f.packing {
		for i := range *moves {
			text(f, 1, new(Move.Pack(&(*moves)[i])))
		}
		return
	}
	for {
		packed, ok := f.take(1)
		if !ok {
			return
		}
		var m fleet.Move
		f.broken = f.broken || Move.Unpack(packed, &m) != nil
		*moves = append(*moves, m)
	}
}}

// Move packs all of a move.
var Move = Codec[fleet.Move]{func(f *fields, m *fleet.Move) {
	number(f, 1, &m.Revision)
	number(f, 2, &m.Group)
	version(f, 3, &m.From)
}}

// Message packs a message without its cursor and its team, which are where it is kept.
var Message = Codec[fleet.Message]{func(f *fields, m *fleet.Message) {
	device(f, 1, &m.Device)
	text(f, 2, &m.Topic)
	blob(f, 3, &m.Payload)
	instant(f, 4, &m.Received)
}}

// AuditEntry packs an entry without its cursor and its team, which are where it is kept.
var AuditEntry = Codec[fleet.AuditEntry]{func(f *fields, e *fleet.AuditEntry) {
	number(f, 1, &e.User)
	text(f, 2, &e.Email)
	text(f, 3, &e.Action)
	text(f, 4, &e.Object)
	text(f, 5, &e.Before)
	text(f, 6, &e.After)
	instant(f, 7, &e.At)
	text(f, 8, &e.Token)
	text(f, 9, &e.From)
	number(f, 10, &e.Number)
	array(f, 11, e.Prev[:])
	number(f, 12, &e.Product)
}}

// Alert packs an alert without its id, its team and whether it is archived, which are kept
// in other places.
var Alert = Codec[fleet.Alert]{func(f *fields, a *fleet.Alert) {
	device(f, 1, &a.Device)
	number(f, 2, &a.Type)
	text(f, 3, &a.Name)
	text(f, 4, &a.Text)
	instant(f, 5, &a.Raised)
	text(f, 6, &a.Value)
}}

// Command packs a command without its number and its device, which are where it is kept, and
// without its result.
var Command = Codec[fleet.Command]{func(f *fields, c *fleet.Command) {
	text(f, 1, &c.Name)
	blob(f, 2, &c.Payload)
	instant(f, 3, &c.Queued)
	instant(f, 4, &c.Expires)
}}

// CommandResult packs the rest of a command that is done.
var CommandResult = Codec[fleet.Command]{func(f *fields, c *fleet.Command) {
	instant(f, 1, &c.Done)
	blob(f, 2, &c.Result)
}}

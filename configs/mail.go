package configs

import (
	"net/mail"
	"slices"
)

func (c *Config) validateMail(v *verdict) {
	m := c.Mail
	v.require(slices.Contains([]string{"starttls", "tls", "none"}, m.Security), "mail.security is %.40q: use starttls, tls or none", m.Security)
	if m.Server == "" {
		v.require(m.User == "" && m.Password == "" && m.From == "", "mail.user, mail.password or mail.from is set without mail.server: set that too, such as smtp.example.com:587")
		return
	}
	port, ok := portOf(m.Server)
	v.require(ok && port != 0, "mail.server is %.80q: use HOST:PORT, usually port 587 with starttls or 465 with tls", m.Server)
	_, err := mail.ParseAddress(m.From)
	v.require(err == nil, "mail.from is %.80q: use the address that mail is sent from, such as muster@example.com or Muster <muster@example.com>", m.From)
	v.require((m.User == "") == (m.Password == ""), "mail.user and mail.password belong together: set both or none")
	v.require(m.User == "" || m.Security != "none", "mail.user is set and mail.security is none: the password would be sent in plain text; use starttls or tls")
}

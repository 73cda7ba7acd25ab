package main

import (
	"strings"
	"testing"

	"github.com/muster-iot/muster/configs"
)

func TestTheCommandThatMigratesHasTheFlagsOfTheServer(t *testing.T) {
	data, url := "it's here", "redis://:secret@host/0"
	for want, s := range map[string]serveCmd{
		"muster store migrate": {},
		`muster store migrate --config /etc/muster.yaml --data 'it'\''s here'`: {Config: "/etc/muster.yaml", Data: &data},
		"muster store migrate --redis URL":                                     {Redis: &url},
	} {
		if got := s.migration(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestOwnerFollowsTheRulesForAccounts(t *testing.T) {
	for _, row := range []struct {
		name string
		edit func(*configs.Config)
		want string // part of the error; "" for none
	}{
		{"the default", func(*configs.Config) {}, ""},
		{"owner without host", func(c *configs.Config) { c.Owner.Email = "owner" }, `owner.email is "owner": use name@host`},
		{"owner without name", func(c *configs.Config) { c.Owner.Email = "@host" }, `owner.email is "@host"`},
		{"owner with white space", func(c *configs.Config) { c.Owner.Email = "a b@c" }, `owner.email is "a b@c"`},
		{"a password to generate", func(c *configs.Config) { c.Owner.Password = "" }, ""},
		{"the shortest password", func(c *configs.Config) { c.Owner.Password = "0123456789" }, ""},
		{"a password below it", func(c *configs.Config) { c.Owner.Password = "012345678" }, "owner.password has 9 bytes: use 10 to 256, or leave it out to generate one"},
		{"the longest password", func(c *configs.Config) { c.Owner.Password = configs.Secret(strings.Repeat("p", 256)) }, ""},
		{"a password past it", func(c *configs.Config) { c.Owner.Password = configs.Secret(strings.Repeat("p", 257)) }, "owner.password has 257 bytes"},
	} {
		c := configs.Default()
		row.edit(&c)
		err := checkOwner(c)
		if row.want == "" {
			if err != nil {
				t.Errorf("%s: got %v, want none", row.name, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %v, want %s", row.name, err, row.want)
		}
	}
}

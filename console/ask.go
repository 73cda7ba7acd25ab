package console

import (
	"net/url"

	"github.com/muster-iot/muster/fleet"
)

// question is the page that shows what an action does and asks before it is carried out. Every
// action that starts or ends an update or cuts a device off has one (docs/rules.md, "Releasing").
type question struct {
	Title  string
	Crumbs []crumb
	Facts  []string      // what happens, a sentence each
	Warn   []string      // what may be unexpected about it
	Impact *fleet.Impact // on targets; nil if the action changes none
	Sure   string        // a box that must be ticked first; "": none
	To     string        // address of the form
	Fields url.Values    // what the form sends
	Seen   string        // tag of the object that the impact is about
	Button string
	Bad    bool   // the action destroys something or cuts a device off
	Back   string // address to return to without the action
}

// crumb is a link to a page above.
type crumb struct{ Text, Link string }

func (v *visit) ask(title string, q question) error { return v.show("ask", title, q) }

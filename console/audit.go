package console

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
)

// auditBody is the page of the audit log.
type auditBody struct {
	Query    fleet.AuditQuery
	Entries  []auditRow
	Members  []fleet.Member
	Products []fleet.Product
	Kinds    []string     // of objects, to choose from
	Next     template.URL // query of the next page, "" on the last
	Asked    bool         // a search is active
	Export   string       // address of the export of all entries
	From     string       // first and last day, in UTC
	To       string
	Problem  string // what is wrong with the search
}

// Several reports whether the team has several products, so that pages show which one is meant.
func (b auditBody) Several() bool { return len(b.Products) > 1 }

// auditRow is an entry with its changes in readable form.
type auditRow struct {
	fleet.AuditEntry
	Changes []change
	Whole   []change // unabridged; nil when Changes is
	In      string   // name of the product; "": it concerns none
	Link    string   // to the changed object, "" if it has no page
}

// change is one field of a change.
type change struct{ Field, From, To string }

// auditKinds are the first words of the actions in the log.
var auditKinds = []string{"device", "group", "firmware", "product", "update", "command", "alert", "user", "token", "team"}

const entriesPerPage = 50

func (v teamPages) auditPage() error {
	if err := v.may(fleet.SeeAudit); err != nil {
		return err
	}
	b := v.auditQuery()
	if err := b.days(); err != nil {
		b.Problem, v.code = sentence(err), status(err)
	}
	form := url.Values{"from": {b.From}, "to": {b.To}, "q": {b.Query.Text}, "who": {b.Query.Email}, "action": {b.Query.Action}, "object": {b.Query.Object}, "product": {number(b.Query.Product)}}
	maps.DeleteFunc(form, func(_ string, values []string) bool { return values[0] == "" })
	b.Asked = len(form) > 0
	b.Export = "/team/audit/export?" + form.Encode()
	entries, next, err := v.audit.Page(v.ctx(), v.actor, b.Query)
	if err != nil {
		return err
	}
	if next != "" {
		form.Set("after", next)
		b.Next = encoded(form)
	}
	if b.Members, err = v.accounts.Members(v.ctx(), v.actor); err != nil {
		return err
	}
	if b.Products, err = v.registry.Products(v.ctx(), v.actor); err != nil {
		return err
	}
	words, err := v.auditNames(b.Products)
	if err != nil {
		return err
	}
	slugs := map[fleet.ProductID]string{}
	for _, p := range b.Products {
		slugs[p.ID] = p.Slug
	}
	for _, e := range entries {
		row := auditRow{AuditEntry: e, Changes: words.changes(e), Link: objectLink(e, slugs[e.Product])}
		if e.Product != 0 {
			row.In = cmp.Or(words.products[e.Product.String()], "product "+e.Product.String())
		}
		if e.Action == "device.groups" { // its object is the product's number
			row.Object = ""
		}
		if whole := words.inFull().changes(e); !slices.Equal(whole, row.Changes) {
			row.Whole = whole
		}
		b.Entries = append(b.Entries, row)
	}
	return v.show("audit", "Audit log", b)
}

// auditQuery is what the page's search asks for, without its days.
func (v teamPages) auditQuery() auditBody {
	product, _ := strconv.ParseUint(v.text("product"), 10, 32) // not a number: no filter
	return auditBody{Kinds: auditKinds, From: v.text("from"), To: v.text("to"), Query: fleet.AuditQuery{
		Text: v.text("q"), Email: v.text("who"), Action: v.text("action"), Object: v.text("object"), Product: fleet.ProductID(product), After: v.text("after"), Limit: entriesPerPage,
	}}
}

// days reads the first and the last day.
func (b *auditBody) days() (err error) {
	if b.From != "" {
		if b.Query.From, err = time.Parse(time.DateOnly, b.From); err != nil {
			return fleet.FieldErrorf("from", "%.40q is not a date: use 2026-12-31", b.From)
		}
	}
	if b.To != "" {
		day, err := time.Parse(time.DateOnly, b.To)
		if err != nil {
			return fleet.FieldErrorf("to", "%.40q is not a date: use 2026-12-31", b.To)
		}
		b.Query.To = day.AddDate(0, 0, 1)
	}
	return nil
}

// auditNames returns names for the numbers in entries.
func (v teamPages) auditNames(products []fleet.Product) (n nameOf, err error) {
	groups, err := v.registry.Groups(v.ctx(), v.actor, 0)
	if err != nil {
		return n, err
	}
	n = nameOf{groups: map[string]string{}, products: map[string]string{"0": "the whole team"}}
	for _, g := range groups {
		n.groups[g.ID.String()] = g.Name
	}
	for _, p := range products {
		n.products[p.ID.String()] = p.Name
	}
	return n, err
}

// number is an id as a form sends it, "" for none.
func number(id fleet.ProductID) string {
	if id == 0 {
		return ""
	}
	return id.String()
}

// nameOf has names by the numbers that entries contain.
type nameOf struct {
	groups, products map[string]string
	full             bool // long values are not abridged
}

// inFull returns n with long values unabridged.
func (n nameOf) inFull() nameOf {
	n.full = true
	return n
}

// changes lists the fields of an entry that differ.
func (n nameOf) changes(e fleet.AuditEntry) (list []change) {
	before, after := fieldsOf(e.Before), fieldsOf(e.After)
	all := maps.Clone(before)
	maps.Copy(all, after)
	for _, field := range slices.Sorted(maps.Keys(all)) {
		c := change{Field: field}
		if value, ok := before[field]; ok {
			c.From = n.say(field, value)
		}
		if value, ok := after[field]; ok {
			c.To = n.say(field, value)
		}
		if c.From != c.To {
			list = append(list, c)
		}
	}
	return list
}

// fieldsOf parses one side of an entry. Text that is not an object is shown as it is.
func fieldsOf(text string) map[string]any {
	fields := map[string]any{}
	if text == "" {
		return fields
	}
	read := json.NewDecoder(strings.NewReader(text))
	read.UseNumber()
	if err := read.Decode(&fields); err != nil {
		return map[string]any{"": text}
	}
	return fields
}

const (
	longestValue = 240 // bytes shown of a value
	maxListed    = 5   // longer lists are cut to firstListed items
	firstListed  = 3
)

// say formats a value of a field.
func (n nameOf) say(field string, value any) string {
	if list, ok := value.([]any); ok && len(list) > maxListed && !n.full {
		return n.say(field, list[:firstListed]) + " and " + humane.Number(len(list)-firstListed) + " more"
	}
	text := n.plain(field, value)
	if n.full || len(text) <= longestValue {
		return text
	}
	cut := longestValue
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + " …"
}

func (n nameOf) plain(field string, value any) string {
	switch value := value.(type) {
	case nil:
		return ""
	case bool:
		return map[bool]string{true: "yes", false: "no"}[value]
	case json.Number:
		return n.number(field, value.String())
	case []any:
		parts := make([]string, len(value))
		for i, part := range value {
			parts[i] = n.plain(field, part)
		}
		return strings.Join(parts, ", ")
	case map[string]any:
		var parts []string
		for _, key := range slices.Sorted(maps.Keys(value)) {
			parts = append(parts, n.number(field, key)+": "+n.plain("", value[key]))
		}
		return strings.Join(parts, ", ")
	}
	return plainText(fmt.Sprint(value))
}

// plainText formats times and shortens digests.
func plainText(text string) string {
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return stamp(at)
	}
	if len(text) == hex.EncodedLen(len(fleet.Digest{})) && strings.Trim(text, "0123456789abcdef") == "" {
		return text[:12] + " …"
	}
	return text
}

// number returns the name of the object that a number in a field refers to.
func (n nameOf) number(field, text string) string {
	if _, err := strconv.ParseUint(text, 10, 32); err != nil {
		return text
	}
	switch field {
	case "groups", "add", "remove":
		if name, ok := n.groups[text]; ok {
			return name
		}
		return "a deleted group (" + text + ")"
	case "product_id":
		if name, ok := n.products[text]; ok {
			return name
		}
	}
	return text
}

// objectLink links to the changed object, if the entry identifies it; slug is that of its product, "" if
// there is none.
func objectLink(e fleet.AuditEntry, slug string) string {
	kind, what, _ := strings.Cut(e.Action, ".")
	switch {
	case what == "delete" || what == "groups" || what == "import" || e.Object == "":
		return ""
	case kind == "device" || kind == "update" || kind == "command":
		return "/devices/" + url.PathEscape(e.Object)
	case kind == "product":
		return "/p/" + url.PathEscape(e.Object) + "/devices"
	case slug == "":
		return ""
	case kind == "firmware":
		return "/p/" + slug + "/firmware/" + url.PathEscape(e.Object)
	case kind == "release":
		return "/p/" + slug + "/releases/" + url.PathEscape(e.Object)
	case kind == "group":
		return "/p/" + slug + "/group?name=" + url.QueryEscape(e.Object)
	}
	return ""
}

package console

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/muster-iot/muster/fleet"
)

//go:embed templates/*.html
var sources embed.FS

// pages returns a set of templates for each page: the layout, the shared parts and its own
// definitions. They are parsed at the first call, in New: the commands of the CLI, which are in the
// same program, need none.
var pages = sync.OnceValue(parse)

// tag returns what is added to the address of static files and changes with their contents.
var tag = sync.OnceValue(contentTag)

// page is the data of the layout; Body is that of the page's own template.
type page struct {
	Title, Name string
	Account     fleet.Account
	Teams       []fleet.Account // other teams of the user
	Products    []fleet.Product
	Product     fleet.Product // zero outside of a product
	Notice      notice
	Gone        bool // what the page showed once is not shown again
	Tag         string
	Stream      string // address of the stream that refreshes the page
	Broker      broker
	May         rights
	Alarms      alarms
	Body        any
}

// broker is the address devices connect to, for commands to copy.
type broker struct{ Host, Port string }

// broker uses the host of the request, because the server may listen on all addresses.
func (v *visit) broker() broker {
	b := broker{Host: v.r.Host, Port: "1883"}
	if host, _, err := net.SplitHostPort(v.r.Host); err == nil {
		b.Host = host
	}
	if _, port, err := net.SplitHostPort(v.config.MQTT); err == nil {
		b.Port = port
	}
	return b
}

// Publish is the shell command that sends a message as a device; user "" is its id. Its arguments are
// quoted where the shell needs that.
func (b broker) Publish(id any, user, secret, name, message string) string {
	return fmt.Sprintf("mosquitto_pub -h %s -p %s -q 1 -i %v -u %v -P %s \\\n  -t d/%v/up/msg/%s -m %s", b.Host, b.Port, id, cmp.Or(user, fmt.Sprint(id)), secret, id, name, message)
}

// Simulate is the shell command that simulates the devices of a file of credentials.
func (b broker) Simulate(file string) string {
	return "muster simulate --broker tcp://" + net.JoinHostPort(b.Host, b.Port) + " --credentials " + file + " --stay"
}

// rights are the results of takes: what an action requires that the actor may not do, "" if
// they may.
type rights struct {
	Edit, Operate, Import, Assign, Products, Upload, Download, Default, Fleet, Users, Admins string
}

func (v *visit) rights() rights {
	why := v.takes
	return rights{
		Edit: why(fleet.EditDevice), Operate: why(fleet.OperateDevice), Import: why(fleet.ImportDevices), Assign: why(fleet.AssignGroups),
		Products: why(fleet.EditProducts), Upload: why(fleet.UploadFirmware), Download: why(fleet.DownloadImage),
		Default: why(fleet.ReleaseDefault), Fleet: why(fleet.SeeAudit), Users: why(fleet.ManageUsers), Admins: why(fleet.ManageAdmins),
	}
}

// show answers with a whole page.
func (v *visit) show(name, title string, body any) error {
	p := page{Title: title, Name: name, Product: v.product, Tag: tag(), Broker: v.broker(), Body: body, May: v.rights(), Gone: v.gone}
	if v.actor.Role != fleet.NoRole {
		p.Stream = v.hintsOf()
		p.Notice = v.notice()
		if err := v.frame(&p); err != nil && name != "error" {
			return err
		}
	}
	return v.execute(name, "layout", p)
}

// frame fills in what surrounds a page of a signed-in user.
func (v *visit) frame(p *page) (err error) {
	if p.Account, err = v.accounts.Account(v.ctx(), v.actor); err != nil {
		return err
	}
	teams, err := v.accounts.Teams(v.ctx(), v.actor)
	if err != nil {
		return err
	}
	for _, t := range teams {
		if t.Team.ID != v.actor.Team {
			p.Teams = append(p.Teams, t)
		}
	}
	if p.Products, err = v.registry.Products(v.ctx(), v.actor); err != nil {
		return err
	}
	if p.Product.ID == 0 && len(p.Products) > 0 { // the menu keeps the product last viewed
		p.Product = p.Products[0]
		if cookie, err := v.r.Cookie(productCookie); err == nil {
			for _, product := range p.Products {
				if product.Slug == cookie.Value {
					p.Product = product
				}
			}
		}
	} else if p.Product.ID != 0 {
		http.SetCookie(v.w, &http.Cookie{Name: productCookie, Value: p.Product.Slug, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: v.secure()})
	}
	p.Alarms, err = v.alarmsOf(p.Product)
	return err
}

// part answers with a fragment of the shared parts.
func (v *visit) part(name string, body any) error { return v.execute("error", name, body) }

// fragmentOf answers with a fragment of one page.
func (v *visit) fragmentOf(name, part string, body any) error {
	return v.execute(name, part, page{Name: name, Product: v.product, Tag: tag(), Broker: v.broker(), Body: body, May: v.rights()})
}

// execute renders before it writes, so that a template error does not send half a page.
func (v *visit) execute(name, template string, data any) error {
	var out bytes.Buffer
	if err := pages()[name].ExecuteTemplate(&out, template, data); err != nil {
		return fmt.Errorf("template %s: %w", name, err)
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.Header().Set("Server-Timing", fmt.Sprintf("page;dur=%.1f", float64(time.Since(v.began).Microseconds())/1000))
	v.w.WriteHeader(cmp.Or(v.code, http.StatusOK))
	_, err := v.w.Write(out.Bytes())
	if err != nil {
		v.log.Debug("console: the browser disconnected", "err", err)
	}
	return nil
}

func parse() map[string]*template.Template {
	shared := template.Must(template.New("").Funcs(functions).ParseFS(sources, "templates/layout.html", "templates/parts.html"))
	names, err := fs.Glob(sources, "templates/*.html")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	all := map[string]*template.Template{}
	for _, file := range names {
		name := strings.TrimSuffix(strings.TrimPrefix(file, "templates/"), ".html")
		if name != "layout" && name != "parts" {
			all[name] = template.Must(template.Must(shared.Clone()).ParseFS(sources, file))
		}
	}
	return all
}

func contentTag() string {
	hash := sha256.New()
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := files.ReadFile(path)
		hash.Write(data)
		return err
	})
	if err != nil {
		panic(err) // the files are embedded
	}
	return hex.EncodeToString(hash.Sum(nil))[:10]
}

package cloud

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/notify"
	"github.com/muster-iot/muster/notify/mail"
	"github.com/muster-iot/muster/notify/webhook"
)

// newNotify returns the notifications of all teams. What they report on is made after them.
func (c *Cloud) newNotify() (*notify.Service, error) {
	m := c.config.Mail
	sender, err := mail.New(mail.Config{Server: m.Server, Security: m.Security, User: m.User, Password: m.Password.Reveal(), From: m.From, Roots: c.config.MailRoots})
	if err != nil {
		return nil, err
	}
	return notify.New(notify.Config{
		Outbox: c.store.Outbox, Messages: c.store.Messages, Teams: c.store.Teams, Audit: c.audit, Log: c.log,
		Webhook: webhook.New(webhook.Guard{Allow: c.config.Notify.Allow}), Mail: sender, Link: strings.TrimSuffix(c.config.HTTP.PublicURL, "/"),
		Leads: c.leads(leaseNotifications),
		Raise: func(ctx context.Context, team fleet.TeamID, name, text string) {
			c.activity.RaiseFor(ctx, team, "", name, text)
		},
		Products: c.productReports,
		Name: func(ctx context.Context, product fleet.ProductID) (string, error) {
			catalog, err := c.store.Catalogs.Catalog(ctx, product)
			if err != nil {
				return "", err
			}
			return catalog.Product.Slug, nil
		},
	}), nil
}

// silentFor is how long a device that needs attention was silent.
const silentFor = 7 * 24 * time.Hour

// productReports is what a team's digest reports about its products. It is about all devices: only
// those who see all of them set up digests.
func (c *Cloud) productReports(ctx context.Context, team fleet.TeamID) (reports []notify.ProductReport, err error) {
	actor := fleet.Actor{Team: team, Role: fleet.Owner}
	products, err := c.registry.Products(ctx, actor)
	if err != nil {
		return nil, err
	}
	online := true
	for _, p := range products {
		r := notify.ProductReport{Product: p.Slug, Attention: map[string]int{}, Releases: []string{}}
		for n, q := range map[*int]fleet.DeviceQuery{
			&r.Devices: {}, &r.Online: {Online: &online}, &r.Silent: {Silent: time.Now().Add(-silentFor)},
		} {
			q.Product, q.Limit = p.ID, 1
			page, err := c.registry.Devices(ctx, actor, q)
			if err != nil {
				return nil, err
			}
			*n = page.Total
		}
		concerns, err := c.releases.Attention(ctx, actor, p.ID)
		if err != nil {
			return nil, err
		}
		for concern, n := range concerns {
			r.Attention[string(concern)] = n
		}
		underWay, err := c.rollouts.UnderWay(ctx, actor, p.ID)
		if err != nil {
			return nil, err
		}
		for _, u := range underWay {
			r.Releases = append(r.Releases, fmt.Sprintf("release %s of version %s: %s", u.ID, u.Version, u.State))
		}
		reports = append(reports, r)
	}
	return reports, nil
}

package console

import (
	"maps"
	"net/http"
	"slices"

	"github.com/muster-iot/muster/devicefile"
)

// Paths keep names that operators choose apart from fixed words: a device may be called
// "import".

// ofMembers are the pages and forms for signed-in users.
var ofMembers = map[string]func(*visit) error{
	"GET /{$}":                 on(productPages.home),
	"GET /account":             on(accountPages.accountPage),
	"POST /account/password":   on(accountPages.changePassword),
	"POST /account/leave":      on(accountPages.leaveTeam),
	"POST /sign-out":           on(accountPages.signOut),
	"GET /products":            on(productPages.productsPage),
	"POST /products":           on(productPages.createProduct),
	"GET /messages":            on(messagePages.messagesPage),
	"GET /alerts":              on(messagePages.alertsPage),
	"GET /messages/export":     on(messagePages.exportMessages),
	"GET /alerts/export":       on(messagePages.exportAlerts),
	"GET /team/audit/export":   on(teamPages.exportAudit),
	"GET /devices/export":      on(listPages.exportDevices),
	"GET /alerts/kinds":        on(messagePages.alertGroupsPage),
	"GET /events":              on(eventPages.eventsPage),
	"GET /events/stream":       on(eventPages.eventsStream),
	"GET /live":                on(eventPages.hintsStream),
	"POST /alerts":             on(messagePages.archiveAlert),
	"GET /team":                on(teamPages.teamPage),
	"POST /team/members":       on(teamPages.addMember),
	"POST /team/member":        on(teamPages.editMember),
	"POST /team/tokens":        on(teamPages.newToken),
	"POST /team/tokens/revoke": on(teamPages.revokeToken),
	"POST /team/switch":        on(accountPages.switchTeam),
	"GET /team/programs":       on(teamPages.programsPage),
	"POST /team/programs":      on(teamPages.addProgram),
	"GET /team/tokens":         on(teamPages.tokensPage),
	"GET /team/audit":          on(teamPages.auditPage),
	"GET /team/quotas":         on(teamPages.quotasPage),
	"GET /team/notifications":  on(teamPages.notificationsPage),
	"POST /team/notifications": on(teamPages.editNotifications),
	"GET /team/settings":       on(teamPages.settingsPage),
	"POST /team/settings":      on(teamPages.editTeam),
	"GET /group-names":         (*visit).groupNames,
	"GET /devices":             on(listPages.devicesPage),
	"GET /devices/{id}":        on(devicePages.findDevice),
	"POST /filters":            on(filterPages.save),
	"POST /filters/delete":     on(filterPages.remove),
	"GET /jobs":                on(jobPages.listPage),
	"GET /jobs/{job}":          on(jobPages.page),
	"POST /jobs/{job}/cancel":  on(jobPages.cancel),
}

// ofProducts are those of the product in their path.
var ofProducts = map[string]func(*visit) error{
	"GET /p/{product}/devices":                      on(listPages.devicesPage),
	"GET /p/{product}/devices/groups":               on(changePages.editGroupsPage),
	"GET /p/{product}/devices/groups/impact":        on(changePages.editGroupsImpact),
	"POST /p/{product}/devices/groups":              on(changePages.editGroups),
	"GET /p/{product}/devices/change":               on(changePages.choosePage),
	"GET /p/{product}/devices/change/confirm":       on(changePages.confirmPage),
	"POST /p/{product}/devices/change":              on(changePages.start),
	"POST /p/{product}/filters":                     on(filterPages.save),
	"POST /p/{product}/filters/delete":              on(filterPages.remove),
	"GET /p/{product}/devices/export":               on(listPages.exportDevices),
	"GET /p/{product}/devices/import":               on(importPages.importPage),
	"GET /p/{product}/devices/import/preview":       on(importPages.previewPage),
	"POST /p/{product}/devices/import/run":          on(importPages.importDevices),
	"GET /p/{product}/devices/imported":             on(importPages.importedPage),
	"GET /p/{product}/device/{id}":                  on(devicePages.devicePage),
	"GET /p/{product}/device/{id}/live":             on(devicePages.deviceLive),
	"GET /p/{product}/device/{id}/confirm":          on(devicePages.confirmPage),
	"POST /p/{product}/device/{id}":                 on(devicePages.editDevice),
	"GET /p/{product}/device/{id}/impact":           on(devicePages.editDeviceImpact),
	"GET /p/{product}/attention":                    on(attentionPages.attentionPage),
	"GET /p/{product}/alarms":                       on(attentionPages.alarmsPage),
	"GET /p/{product}/attention/live":               on(attentionPages.attentionLive),
	"GET /p/{product}/groups":                       on(groupPages.groupsPage),
	"POST /p/{product}/groups":                      on(groupPages.createGroup),
	"GET /p/{product}/group":                        on(groupPages.groupPage),
	"POST /p/{product}/group":                       on(groupPages.editGroup),
	"GET /p/{product}/group/history":                on(groupPages.groupHistory),
	"GET /p/{product}/group/impact":                 on(groupPages.deleteGroupImpact),
	"GET /p/{product}/settings":                     on(productPages.productPage),
	"POST /p/{product}/settings":                    on(productPages.editProduct),
	"GET /p/{product}/firmware":                     on(firmwarePages.firmwarePage),
	"GET /p/{product}/upload":                       on(firmwarePages.uploadPage),
	"GET /p/{product}/firmware/{version}":           on(firmwarePages.versionPage),
	"GET /p/{product}/firmware/{version}/live":      on(firmwarePages.versionLive),
	"POST /p/{product}/firmware/{version}":          on(firmwarePages.editFirmware),
	"GET /p/{product}/firmware/{version}/image":     on(firmwarePages.image),
	"GET /p/{product}/firmware/{version}/release":   on(releasePages.releasePage),
	"GET /p/{product}/firmware/{version}/confirm":   on(releasePages.confirmPage),
	"POST /p/{product}/firmware/{version}/release":  on(releasePages.release),
	"GET /p/{product}/fleet":                        on(fleetPages.fleetPage),
	"GET /p/{product}/fleet/live":                   on(fleetPages.fleetLive),
	"GET /p/{product}/fleet/history":                on(fleetPages.fleetHistory),
	"GET /p/{product}/firmware/{version}/plan":      on(releasePages.planPage),
	"GET /p/{product}/firmware/{version}/rehearsal": on(releasePages.rehearsalPage),
	"GET /p/{product}/releases":                     on(rolloutPages.listPage),
	"GET /p/{product}/releases/{release}":           on(rolloutPages.page),
	"GET /p/{product}/releases/{release}/live":      on(rolloutPages.live),
	"GET /p/{product}/releases/{release}/history":   on(rolloutPages.burnDown),
	"GET /p/{product}/releases/{release}/events":    on(rolloutPages.events),
	"GET /p/{product}/releases/{release}/confirm":   on(rolloutPages.confirmPage),
	"POST /p/{product}/releases/{release}":          on(rolloutPages.act),
	"GET /p/{product}/failing":                      on(failingPages.failingPage),
	"GET /p/{product}/retry":                        on(changePages.retryPage),
	"GET /p/{product}/stop":                         on(stopPages.confirmPage),
	"POST /p/{product}/stop":                        on(stopPages.stop),
}

// Routes returns the http.ServeMux patterns of all pages and forms behind the sign-in, sorted.
func Routes() []string {
	patterns := slices.AppendSeq(slices.Collect(maps.Keys(ofMembers)), maps.Keys(ofProducts))
	slices.Sort(patterns)
	return patterns
}

func (c *Console) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /static/", static())
	mux.HandleFunc("GET /sign-in", c.open(on(accountPages.signInPage)))
	mux.HandleFunc("POST /sign-in", c.open(on(accountPages.signIn)))
	mux.HandleFunc("/", c.member((*visit).nowhere))
	for pattern, h := range ofMembers {
		mux.HandleFunc(pattern, c.member(h))
	}
	for pattern, h := range ofProducts {
		mux.HandleFunc(pattern, c.inProduct(h))
	}
	mux.HandleFunc("POST /p/{product}/upload", c.uploading(on(firmwarePages.upload)))
	mux.HandleFunc("POST /p/{product}/devices/import", c.serve(formTimeout, devicefile.MaxBytes+maxForm, signedIn(ofProduct(on(importPages.readImport)))))
	return mux
}

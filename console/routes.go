package console

import (
	"maps"
	"net/http"
	"slices"
)

// Names that operators choose are never the last part of a path that has other words
// there: a device may be called "import".

// ofMembers are the pages and forms for who is signed in.
var ofMembers = map[string]func(*visit) error{
	"GET /{$}":                 (*visit).home,
	"GET /account":             (*visit).accountPage,
	"POST /account/password":   (*visit).changePassword,
	"POST /account/leave":      (*visit).leaveTeam,
	"POST /sign-out":           (*visit).signOut,
	"GET /products":            (*visit).productsPage,
	"POST /products":           (*visit).createProduct,
	"GET /messages":            (*visit).messagesPage,
	"GET /alerts":              (*visit).alertsPage,
	"GET /events":              (*visit).eventsPage,
	"GET /events/stream":       (*visit).eventsStream,
	"GET /live":                (*visit).hintsStream,
	"POST /alerts":             (*visit).archiveAlert,
	"GET /team":                (*visit).teamPage,
	"POST /team/members":       (*visit).addMember,
	"POST /team/member":        (*visit).editMember,
	"POST /team/tokens":        (*visit).newToken,
	"POST /team/tokens/revoke": (*visit).revokeToken,
	"POST /team/switch":        (*visit).switchTeam,
	"GET /team/programs":       (*visit).programsPage,
	"POST /team/programs":      (*visit).addProgram,
	"GET /team/tokens":         (*visit).tokensPage,
	"GET /team/audit":          (*visit).auditPage,
	"GET /team/settings":       (*visit).settingsPage,
	"POST /team/settings":      (*visit).editTeam,
	"GET /group-names":         (*visit).groupNames,
	"GET /devices":             (*visit).devicesPage,
	"GET /devices/{id}":        (*visit).findDevice,
}

// ofProducts are those about the product their path names.
var ofProducts = map[string]func(*visit) error{
	"GET /p/{product}/devices":                     (*visit).devicesPage,
	"POST /p/{product}/devices/groups":             (*visit).editGroupsPage,
	"POST /p/{product}/devices/groups/impact":      (*visit).editGroupsImpact,
	"POST /p/{product}/devices/groups/save":        (*visit).editGroups,
	"GET /p/{product}/devices/import":              (*visit).importPage,
	"POST /p/{product}/devices/import":             (*visit).importDevices,
	"GET /p/{product}/device/{id}":                 (*visit).devicePage,
	"GET /p/{product}/device/{id}/live":            (*visit).deviceLive,
	"GET /p/{product}/device/{id}/confirm":         (*visit).sendPage,
	"POST /p/{product}/device/{id}":                (*visit).editDevice,
	"POST /p/{product}/device/{id}/impact":         (*visit).editDeviceImpact,
	"GET /p/{product}/groups":                      (*visit).groupsPage,
	"POST /p/{product}/groups":                     (*visit).createGroup,
	"GET /p/{product}/group":                       (*visit).groupPage,
	"POST /p/{product}/group":                      (*visit).editGroup,
	"GET /p/{product}/group/impact":                (*visit).deleteGroupImpact,
	"GET /p/{product}/settings":                    (*visit).productPage,
	"POST /p/{product}/settings":                   (*visit).editProduct,
	"GET /p/{product}/firmware":                    (*visit).firmwarePage,
	"GET /p/{product}/upload":                      (*visit).uploadPage,
	"GET /p/{product}/firmware/{version}":          (*visit).versionPage,
	"GET /p/{product}/firmware/{version}/live":     (*visit).versionLive,
	"POST /p/{product}/firmware/{version}":         (*visit).editFirmware,
	"GET /p/{product}/firmware/{version}/image":    (*visit).image,
	"GET /p/{product}/firmware/{version}/release":  (*visit).releasePage,
	"GET /p/{product}/firmware/{version}/confirm":  (*visit).confirmPage,
	"POST /p/{product}/firmware/{version}/release": (*visit).release,
	"POST /p/{product}/firmware/{version}/stop":    (*visit).stopVersion,
	"GET /p/{product}/fleet":                       (*visit).fleetPage,
	"GET /p/{product}/fleet/live":                  (*visit).fleetLive,
	"GET /p/{product}/fleet/history":               (*visit).fleetHistory,
	"POST /p/{product}/stop":                       (*visit).stopUpdates,
}

// Routes are the patterns of all pages and forms behind the sign-in, as http.ServeMux takes
// them, for who goes through them all.
func Routes() []string {
	patterns := slices.AppendSeq(slices.Collect(maps.Keys(ofMembers)), maps.Keys(ofProducts))
	slices.Sort(patterns)
	return patterns
}

func (c *Console) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /static/", static())
	mux.HandleFunc("GET /sign-in", c.open((*visit).signInPage))
	mux.HandleFunc("POST /sign-in", c.open((*visit).signIn))
	mux.HandleFunc("/", c.member((*visit).nowhere))
	for pattern, h := range ofMembers {
		mux.HandleFunc(pattern, c.member(h))
	}
	for pattern, h := range ofProducts {
		mux.HandleFunc(pattern, c.inProduct(h))
	}
	mux.HandleFunc("POST /p/{product}/upload", c.uploading((*visit).upload))
	return mux
}

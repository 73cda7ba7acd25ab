package browsertest

import (
	"strings"
	"testing"

	"github.com/muster-iot/muster/console"
)

// examples are addresses of every page the console serves; a page without one fails the
// tests that walk them all.
var examples = map[string][]string{
	"GET /{$}":                                      {"/"},
	"GET /account":                                  {"/account"},
	"GET /products":                                 {"/products"},
	"GET /messages":                                 {"/messages", "/messages?device=nobody"},
	"GET /alerts":                                   {"/alerts", "/alerts?archived=1"},
	"GET /alerts/kinds":                             {"/alerts/kinds"},
	"GET /events":                                   {"/events"},
	"GET /team":                                     {"/team"},
	"GET /team/programs":                            {"/team/programs"},
	"GET /team/tokens":                              {"/team/tokens"},
	"GET /team/quotas":                              {"/team/quotas"},
	"GET /team/notifications":                       {"/team/notifications"},
	"GET /team/audit":                               {"/team/audit", "/team/audit?q=no-such-thing", "/team/audit?action=group"},
	"GET /team/settings":                            {"/team/settings"},
	"GET /devices":                                  {"/devices", "/devices?by=group"},
	"GET /devices/{id}":                             {"/devices/widget-0001"},
	"GET /p/{product}/devices":                      {"/p/lamp/devices", "/p/lamp/devices?by=version", "/p/lamp/devices?by=group", "/p/lamp/devices?q=nothing-like-it", "/p/lamp/devices?version=x.y", "/p/lamp/devices?group=beta&nogroup=yes&online=no&sort=-handshake"},
	"GET /p/{product}/devices/import":               {"/p/lamp/devices/import"},
	"GET /p/{product}/device/{id}":                  {"/p/lamp/device/widget-0001", "/p/lamp/device/widget-0003"},
	"GET /p/{product}/device/{id}/confirm":          {"/p/lamp/device/widget-0003/confirm?act=flash&version=2", "/p/lamp/device/widget-0001/confirm?act=lock&version=1&flash=yes", "/p/lamp/device/widget-0001/confirm?act=disable", "/p/lamp/device/widget-0003/confirm?act=development"},
	"GET /p/{product}/devices/groups":               {"/p/lamp/devices/groups?device=widget-0001&device=widget-0003", "/p/lamp/devices/groups?all=yes&online=no"},
	"GET /p/{product}/devices/import/preview":       {"/p/lamp/devices/import/preview?plan=gone"},
	"GET /p/{product}/devices/imported":             {"/p/lamp/devices/imported"},
	"GET /p/{product}/attention":                    {"/p/lamp/attention"},
	"GET /p/{product}/devices/change":               {"/p/lamp/devices/change?device=widget-0001", "/p/lamp/devices/change?all=yes&online=no"},
	"GET /p/{product}/devices/change/confirm":       {"/p/lamp/devices/change/confirm?act=unlock&device=widget-0001", "/p/lamp/devices/change/confirm?act=delete&all=yes&online=no", "/p/lamp/devices/change/confirm?act=flash&to-version=2&all=yes"},
	"GET /jobs":                                     {"/jobs"},
	"GET /jobs/{job}":                               {"/jobs/1"},
	"GET /p/{product}/retry":                        {"/p/lamp/retry?all=yes", "/p/lamp/retry?device=widget-0001&device=widget-0003"},
	"GET /p/{product}/stop":                         {"/p/lamp/stop", "/p/lamp/stop?version=2"},
	"GET /p/{product}/groups":                       {"/p/lamp/groups"},
	"GET /p/{product}/group":                        {"/p/lamp/group?name=beta"},
	"GET /p/{product}/settings":                     {"/p/lamp/settings"},
	"GET /p/{product}/firmware":                     {"/p/lamp/firmware"},
	"GET /p/{product}/firmware/{version}":           {"/p/lamp/firmware/1", "/p/lamp/firmware/2"},
	"GET /p/{product}/firmware/{version}/release":   {"/p/lamp/firmware/1/release", "/p/lamp/firmware/2/release"},
	"GET /p/{product}/firmware/{version}/confirm":   {"/p/lamp/firmware/2/confirm?group=beta&now=yes", "/p/lamp/firmware/2/confirm"},
	"GET /p/{product}/firmware/{version}/plan":      {"/p/lamp/firmware/2/plan?default=yes", "/p/lamp/firmware/2/plan?group=beta&preset=careful", "/p/lamp/firmware/2/plan?default=yes&preset=canary&canary=beta"},
	"GET /p/{product}/firmware/{version}/rehearsal": {"/p/lamp/firmware/2/rehearsal?default=yes&plan=careful&share=100&hold=1h&sample=1"},
	"GET /p/{product}/releases":                     {"/p/lamp/releases"},
	"GET /p/{product}/releases/{release}":           {"/p/lamp/releases/1"},
	"GET /p/{product}/releases/{release}/confirm":   {"/p/lamp/releases/1/confirm?act=halt", "/p/lamp/releases/1/confirm?act=finish"},
	"GET /p/{product}/failing":                      {"/p/lamp/failing"},
	"GET /p/{product}/upload":                       {"/p/lamp/upload"},
	"GET /p/{product}/fleet":                        {"/p/lamp/fleet"},
}

// parts are addresses that answer with a part of a page or with data.
var parts = map[string][]string{
	"GET /devices/export":                         {"/devices/export?format=csv"},
	"GET /messages/export":                        {"/messages/export?format=jsonl"},
	"GET /alerts/export":                          {"/alerts/export"},
	"GET /team/audit/export":                      {"/team/audit/export"},
	"GET /p/{product}/releases/{release}/history": {"/p/lamp/releases/1/history"},
	"GET /p/{product}/devices/export":             {"/p/lamp/devices/export?format=csv"},
	"GET /group-names":                            {"/group-names", "/group-names?of=lamp&group=e"},
	"GET /p/{product}/device/{id}/live":           {"/p/lamp/device/widget-0001/live", "/p/lamp/device/widget-0003/live"},
	"GET /p/{product}/firmware/{version}/live":    {"/p/lamp/firmware/1/live"},
	"GET /p/{product}/group/history":              {"/p/lamp/group/history?name=beta"},
	"GET /p/{product}/group/impact":               {"/p/lamp/group/impact?name=beta"},
	"GET /p/{product}/alarms":                     {"/p/lamp/alarms"},
	"GET /p/{product}/attention/live":             {"/p/lamp/attention/live"},
	"GET /p/{product}/device/{id}/impact":         {"/p/lamp/device/widget-0001/impact?act=groups&group=beta"},
	"GET /p/{product}/devices/groups/impact":      {"/p/lamp/devices/groups/impact?device=widget-0001&g:beta=remove"},
	"GET /p/{product}/releases/{release}/live":    {"/p/lamp/releases/1/live", "/p/lamp/releases/2/live"},
	"GET /p/{product}/releases/{release}/events":  {"/p/lamp/releases/1/events"},
	"GET /p/{product}/fleet/live":                 {"/p/lamp/fleet/live"},
	"GET /p/{product}/fleet/history":              {"/p/lamp/fleet/history"},
}

// wordless are not pages: what is streamed has tests of its own, an image has no words.
var wordless = map[string]bool{"GET /events/stream": true, "GET /live": true, "GET /p/{product}/firmware/{version}/image": true}

// addresses are the examples of every page, and with all of every part; an address nobody
// thought of fails.
func addresses(t *testing.T, all bool) (paths []string) {
	t.Helper()
	for _, pattern := range console.Routes() {
		page, part := examples[pattern], parts[pattern]
		switch {
		case !strings.HasPrefix(pattern, "GET ") || wordless[pattern]:
		case page == nil && part == nil:
			t.Errorf("%s has no example: say in this file what it is", pattern)
		case page != nil || all:
			paths = append(paths, append(page, part...)...)
		}
	}
	return paths
}

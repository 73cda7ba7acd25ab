//go:build !browser || race

package browsertest

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
)

// page asks for a page as a browser would that is signed in as jar says.
func page(t testing.TB, jar *http.Client, address string) (status int, text string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := jar.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(data)
}

// No page tells an editor or a viewer of a group they don't hold, nor of a device in it:
// over all addresses the console answers, and what it completes and previews.
func TestPagesTellARestrictedUserOfNoHiddenGroup(t *testing.T) {
	w := serve(t)
	fillTeam(t, w)
	paths := addresses(t, true)
	for _, secret := range []string{"secretive", "widget-0002"} {
		paths = append(paths, "/p/lamp/group?name="+secret, "/p/lamp/devices?group="+secret, "/devices?group="+secret, "/p/lamp/device/"+secret,
			"/devices/"+secret, "/group-names?group="+secret[:4], "/p/lamp/group/impact?name="+secret, "/p/lamp/firmware/2/confirm?group="+secret, "/p/lamp/devices?q="+secret)
	}
	for _, role := range []fleet.Role{fleet.Viewer, fleet.Editor} {
		jar := w.jar(t, role.String()+"@example.com")
		for _, path := range paths {
			status, text := page(t, jar, w.address(path))
			if status == http.StatusInternalServerError {
				t.Errorf("%s: %s answers %d", role, path, status)
			}
			asked := cloudtest.Must[*url.URL](t)(url.Parse(path))
			for _, secret := range []string{"secretive", "widget-0002"} {
				if strings.Contains(asked.String(), secret) { // what one asks for is said again: only that
					text = strings.ReplaceAll(text, secret+`"`, "")
					text = strings.ReplaceAll(text, ": "+secret, "")
					text = strings.ReplaceAll(text, "“"+secret+"”", "")
					continue
				}
				if strings.Contains(text, secret) {
					t.Errorf("%s: %s shows %s", role, path, secret)
				}
			}
		}
	}
	if _, text := page(t, w.jar(t, cloudtest.OwnerEmail), w.address("/group-names?of=lamp&group=SECR")); !strings.Contains(text, `value="secretive"`) {
		t.Errorf("who may see the group is not offered its name: %s", text)
	}
}

// No page offers a viewer, nor a page about the team an editor, a form that changes something.
func TestPagesShowAViewerNothingToPress(t *testing.T) {
	w := serve(t)
	fillTeam(t, w)
	team := []string{"/team", "/team/programs", "/team/settings", "/products", "/p/lamp/settings", "/p/lamp/groups", "/devices"}
	for role, paths := range map[fleet.Role][]string{
		fleet.Editor: team,
		fleet.Viewer: append(team, "/p/lamp/devices", "/p/lamp/device/widget-0003", "/p/lamp/firmware", "/p/lamp/firmware/1", "/p/lamp/fleet", "/alerts", "/messages", "/events"),
	} {
		jar := w.jar(t, role.String()+"@example.com")
		for _, path := range paths {
			status, text := page(t, jar, w.address(path))
			_, text, found := strings.Cut(text, "<main")
			if status != http.StatusOK || !found {
				t.Errorf("%s: %s answers %d, without a main part: %t", role, path, status, !found)
			}
			if n := strings.Count(strings.ToLower(text), `method="post"`); n != 0 {
				t.Errorf("%s offers a %s %d forms", path, role, n)
			}
		}
	}
	if _, text := page(t, w.jar(t, cloudtest.OwnerEmail), w.address("/team")); !strings.Contains(text, `method="post"`) {
		t.Error("nothing is found where the owner has something to press")
	}
}

package cloud_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
)

// uploader is the owner of the first team.
var uploader = fleet.Actor{User: 1, Team: 1, Email: cloudtest.OwnerEmail, Role: fleet.Owner}

// part is one of a multipart upload.
type part struct{ name, file, value string }

// form is parts as a request body.
func form(t *testing.T, parts ...part) (contentType string, body []byte) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		header := textproto.MIMEHeader{}
		header.Set("Content-Disposition", fmt.Sprintf(`form-data; name="%s"`, p.name))
		if p.file != "" {
			header.Set("Content-Disposition", fmt.Sprintf(`form-data; name="%s"; filename="%s"`, p.name, p.file))
		}
		to := cloudtest.Must[io.Writer](t)(w.CreatePart(header))
		_, _ = io.WriteString(to, p.value)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.Bytes()
}

// post uploads a body to a product and returns the answer.
func (w *world) post(t *testing.T, product, contentType string, body io.Reader) (status int, answer string) {
	t.Helper()
	request := cloudtest.Must[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL("/v1/products/"+product+"/firmware"), body))
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Authorization", "Bearer "+w.Token())
	response := cloudtest.Must[*http.Response](t)(http.DefaultClient.Do(request))
	defer response.Body.Close()
	return response.StatusCode, string(cloudtest.Must[[]byte](t)(io.ReadAll(response.Body)))
}

// incoming is the staged files of uploads.
func incoming(t *testing.T, w *world) []string {
	t.Helper()
	return cloudtest.Must[[]string](t)(filepath.Glob(filepath.Join(w.Config.Data, "images", "incoming-*")))
}

func smallImages(c *cloud.Config) { c.OTA.MaxImage = 1000 }

func TestUploadTakesPartsInAnyOrder(t *testing.T) {
	t.Parallel()
	image, title := part{"file", `C:\build\firmware.bin`, "IMAGE"}, part{name: "title", value: "Seven"}
	w := serve(t)
	for i, row := range []struct {
		name    string
		parts   func(version part) []part
		chunked bool
	}{
		{"file first", func(v part) []part { return []part{image, v, title} }, false},
		{"file first, without a length", func(v part) []part { return []part{image, v, title} }, true},
		{"file last", func(v part) []part { return []part{v, title, image} }, false},
		{"under Particle's name", func(v part) []part {
			return []part{{"binary", "firmware.bin", "IMAGE"}, v, title, {name: "mandatory", value: "true"}}
		}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			version := fleet.WholeVersion(uint32(i + 1))
			contentType, body := form(t, row.parts(part{name: "version", value: version.String()})...)
			var reader io.Reader = bytes.NewReader(body)
			if row.chunked {
				reader = struct{ io.Reader }{reader} // hides its length
			}
			if status, answer := w.post(t, cloudtest.Lamp, contentType, reader); status != http.StatusCreated {
				t.Fatalf("got %d %s", status, answer)
			}
			got, f, err := w.Cloud.Releases().Image(t.Context(), uploader, 1, version)
			if err != nil {
				t.Fatal(err)
			}
			defer got.Close()
			if data := cloudtest.Must[[]byte](t)(io.ReadAll(got)); string(data) != "IMAGE" || f.Title != "Seven" || f.File != "firmware.bin" || f.By != cloudtest.OwnerEmail {
				t.Errorf("got %q, %+v", data, f)
			}
		})
	}
}

func TestUploadRefusals(t *testing.T) {
	t.Parallel()
	w := serve(t, smallImages)
	number, file := part{name: "version", value: "7"}, part{"file", "f", "x"}
	for name, row := range map[string]struct {
		parts  []part
		status int
		field  string
	}{
		"no file":       {[]part{number}, 422, "file"},
		"no version":    {[]part{file}, 422, "version"},
		"bad version":   {[]part{file, {name: "version", value: "1.4"}}, 422, "version"},
		"unknown field": {[]part{file, number, {name: "colour", value: "red"}}, 422, "colour"},
		"two files":     {[]part{file, file, number}, 422, "file"},
		"empty image":   {[]part{number, {"file", "f", ""}}, 422, "binary"},
		"long title":    {[]part{file, number, {name: "title", value: strings.Repeat("x", 129)}}, 422, "title"},
		"long field":    {[]part{file, number, {name: "title", value: strings.Repeat("x", 20<<10)}}, 422, "title"},
		"long image":    {[]part{{"file", "f", strings.Repeat("x", 1001)}, number}, 413, ""},
		"long body":     {[]part{{"file", "f", strings.Repeat("x", 2<<20)}, number}, 413, ""},
	} {
		t.Run(name, func(t *testing.T) {
			contentType, body := form(t, row.parts...)
			status, answer := w.post(t, cloudtest.Lamp, contentType, bytes.NewReader(body))
			if status != row.status || row.field != "" && !strings.Contains(answer, `"`+row.field+`":`) {
				t.Errorf("got %d %s, want %d about %q", status, answer, row.status, row.field)
			}
		})
	}
	if status, answer := w.post(t, cloudtest.Lamp, "application/json", strings.NewReader("{}")); status != 415 {
		t.Errorf("JSON: got %d %s, want 415", status, answer)
	}
	contentType, body := form(t, part{"file", "f", "IMAGE"}, number)
	cut, _, _ := bytes.Cut(body, []byte("AGE"))
	if status, answer := w.post(t, cloudtest.Lamp, contentType, bytes.NewReader(cut)); status != 400 {
		t.Errorf("a body cut within the image: got %d %s, want 400", status, answer)
	}
	if left := incoming(t, w); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}

	images := filepath.Join(w.Config.Data, "images")
	if err := os.RemoveAll(images); err != nil {
		t.Fatal(err)
	}
	status, answer := w.post(t, cloudtest.Lamp, contentType, bytes.NewReader(body))
	if status != http.StatusInternalServerError || strings.Contains(answer, images) {
		t.Errorf("a disk that takes nothing: got %d %s, want 500 without the path", status, answer)
	}
}

// The server answers before it has read the image, or even before the client has sent
// anything: a client that waits for "100 Continue" sends nothing of the body.
func TestUploadIsRefusedBeforeTheImageIsSent(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.UploadVersions(100, 7)
	for _, row := range []struct {
		name, product, token, version string
		status                        int
		afterFields                   bool // the fields before the image are read
		impatient                     bool // the client sends them without waiting for "100 Continue"
	}{
		{"a version that is there", cloudtest.Lamp, w.Token(), "7", 409, true, false},
		{"a version that is there, sent at once", cloudtest.Lamp, w.Token(), "7", 409, true, true},
		{"a version that is there, in another spelling", cloudtest.Lamp, w.Token(), "7.0.0", 409, true, false},
		{"a version that can't be", cloudtest.Lamp, w.Token(), "1.4", 422, true, false},
		{"a product that does not exist", "nope", w.Token(), "8", 404, false, false},
		{"nobody", cloudtest.Lamp, "wrong", "8", 401, false, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			conn := cloudtest.Must[net.Conn](t)(net.Dial("tcp", w.Cloud.Addresses().HTTP))
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(cloudtest.Patience))
			contentType, body := form(t, part{name: "version", value: row.version}, part{"file", "f", "IMAGE"})
			beforeImage, _, _ := bytes.Cut(body, []byte("IMAGE"))
			fmt.Fprintf(conn, "POST /v1/products/%s/firmware HTTP/1.1\r\nHost: muster\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n",
				row.product, row.token, contentType, 10<<20)
			reader := bufio.NewReader(conn)
			read := func() *http.Response {
				response := cloudtest.Must[*http.Response](t)(http.ReadResponse(reader, nil))
				_ = response.Body.Close()
				return response
			}
			var response *http.Response
			if row.impatient {
				fmt.Fprint(conn, "\r\n", string(beforeImage))
				response = read()
			} else {
				fmt.Fprint(conn, "Expect: 100-continue\r\n\r\n")
				response = read()
				if continues := response.StatusCode == http.StatusContinue; continues != row.afterFields {
					t.Fatalf("got %s, want to continue: %t", response.Status, row.afterFields)
				}
				if row.afterFields {
					fmt.Fprint(conn, string(beforeImage))
					response = read()
				}
			}
			if response.StatusCode != row.status {
				t.Errorf("got %s, want %d", response.Status, row.status)
			}
		})
	}
}

func TestAbortedUploadLeavesNothing(t *testing.T) {
	t.Parallel()
	w := serve(t)
	conn := cloudtest.Must[net.Conn](t)(net.Dial("tcp", w.Cloud.Addresses().HTTP))
	contentType, body := form(t, part{"file", "f", strings.Repeat("x", 1<<20)}, part{name: "version", value: "7"})
	fmt.Fprintf(conn, "POST /v1/products/lamp/firmware HTTP/1.1\r\nHost: muster\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n",
		w.Token(), contentType, len(body))
	if _, err := conn.Write(body[:512<<10]); err != nil {
		t.Fatal(err)
	}
	cloudtest.Until(t, "the image is being staged", func() bool { return len(incoming(t, w)) == 1 })
	_ = conn.Close()
	cloudtest.Until(t, "the staged file is gone", func() bool { return len(incoming(t, w)) == 0 })
	if list := cloudtest.Must[[]fleet.FirmwareView](t)(w.Cloud.Releases().Firmware(t.Context(), uploader, 1)); len(list) != 0 {
		t.Errorf("got firmware %+v", list)
	}
}

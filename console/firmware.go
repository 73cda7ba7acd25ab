package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/muster-iot/muster/filter"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/humane"
	"github.com/muster-iot/muster/ota/remaining"
)

// firmwarePages are the pages of uploaded versions.
type firmwarePages struct{ *visit }

func (v firmwarePages) firmwarePage() error {
	rows, _, err := v.versions()
	if err != nil {
		return err
	}
	if v.fragment() {
		return v.fragmentOf("firmware", "rows", rows)
	}
	return v.show("firmware", "Firmware", rows)
}

func (v firmwarePages) uploadPage() error {
	if err := v.may(fleet.UploadFirmware); err != nil {
		return err
	}
	return v.show("upload", "Upload firmware", humane.Size(v.config.MaxImage))
}

// upload streams the image; the form's fields before it describe it.
func (v firmwarePages) upload() error {
	if kind, _, err := mime.ParseMediaType(v.r.Header.Get("Content-Type")); err != nil || kind != "multipart/form-data" {
		return fleet.Errorf(fleet.Invalid, "send the form with its file")
	}
	parts, err := v.r.MultipartReader()
	if err != nil {
		return fleet.Errorf(fleet.Invalid, "the form can't be read: %w", err)
	}
	f := fleet.Firmware{Product: v.product.ID}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return fleet.FieldErrorf("file", "choose a file")
		}
		if err != nil {
			return unread(err)
		}
		if part.FormName() != "file" {
			if err := describe(&f, part); err != nil {
				return err
			}
			continue
		}
		if part.FileName() == "" {
			return fleet.FieldErrorf("file", "choose a file")
		}
		f.File = path.Base(part.FileName())
		ctx := context.WithoutCancel(v.ctx()) // sent reports a browser that has gone
		done, err := v.releases.Upload(ctx, v.actor, f, sent{part})
		if err != nil {
			return err
		}
		return v.done(v.at("/firmware"), fmt.Sprintf("Uploaded version %s, %s.", done.Version, humane.Size(done.Size)))
	}
}

// describe reads one field of the upload form.
func describe(f *fleet.Firmware, part *multipart.Part) error {
	const longest = 8 << 10 // bytes; ota has narrower limits of its own
	data, err := io.ReadAll(io.LimitReader(part, longest))
	if err != nil {
		return unread(err)
	}
	text := strings.TrimSpace(string(data))
	switch part.FormName() {
	case "version":
		if text != "" {
			f.Version, err = fleet.ParseVersion(text)
		}
	case "force":
		f.Forced = text != ""
	case "hardware":
		f.Hardware = revisions(text)
	case "requires":
		f.Requires, err = requirement(text)
	case "floor":
		f.Floor, err = floor(text)
	case "title":
		f.Title = text
	case "description":
		f.Description = text
	case "notes":
		f.Notes = text
	}
	return err
}

// revisions reads hardware revisions that are separated by commas.
func revisions(text string) (all []string) {
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word != "" {
			all = append(all, word)
		}
	}
	return all
}

// requirement reads the versions that a firmware can be installed over.
func requirement(text string) (fleet.Range, error) {
	r, err := fleet.ParseRange(text)
	if err != nil {
		return r, fleet.FieldErrorf("requires", "%s", err)
	}
	return r, nil
}

// floor reads a security counter, 0 if there is none.
func floor(text string) (uint32, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, fleet.FieldErrorf("floor", "security counter %.20q: use a whole number", text)
	}
	return uint32(n), nil
}

// sent reads what a browser sends. Its errors are the browser's, not the server's.
type sent struct{ io.Reader }

func (s sent) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = unread(err)
	}
	return n, err
}

func unread(err error) error {
	var long *http.MaxBytesError
	if errors.As(err, &long) {
		return err
	}
	return fleet.Errorf(fleet.Invalid, "the upload was interrupted: try again")
}

// versionBody is the page of one version.
type versionBody struct {
	firmwareRow
	Progress fleet.Progress
	Left     []remaining.Cause // of the devices with this target that don't run it
	Live     string
}

// Underway reports whether devices are moving to the version.
func (b versionBody) Underway() bool {
	return slices.ContainsFunc(filter.UnderWay, func(s fleet.UpdateState) bool { return b.Progress.States[s] > 0 })
}

// Stuck is the number of devices whose update to the version failed or was stopped.
func (b versionBody) Stuck() (n int) {
	for state, devices := range b.Progress.States {
		if wrong(state) {
			n += devices
		}
	}
	return n
}

// stateCount is the number of devices whose update is in a state.
type stateCount struct {
	State   fleet.UpdateState
	Devices int
}

func (v firmwarePages) versionPage() error {
	body, err := v.versionBody()
	if err != nil {
		return err
	}
	return v.show("version", "Version "+body.Version.String(), body)
}

func (v firmwarePages) versionLive() error {
	body, err := v.versionBody()
	if err != nil {
		return err
	}
	return v.fragmentOf("version", "live", body)
}

func (v firmwarePages) versionBody() (b versionBody, err error) {
	if b.firmwareRow, _, err = v.version(); err != nil {
		return b, err
	}
	b.Live = v.at("/firmware/" + b.Version.String() + "/live")
	if b.Progress, err = v.releases.Progress(v.ctx(), v.actor, v.product.ID, b.Version); err != nil {
		return b, err
	}
	b.Left, err = v.remaining.Causes(v.ctx(), v.actor, remaining.Query{Product: v.product.ID, Version: b.Version}, 0)
	return b, err
}

func (v firmwarePages) editFirmware() error {
	row, _, err := v.version()
	if err != nil {
		return err
	}
	if v.text("act") == "delete" {
		err := v.releases.DeleteFirmware(v.ctx(), v.actor, v.product.ID, row.Version)
		return v.after(err, v.at("/firmware"), "Deleted version "+row.Version.String()+".")
	}
	title, description, notes, hardware := v.text("title"), v.text("description"), v.text("notes"), revisions(v.text("hardware"))
	requires, err := requirement(v.text("requires"))
	if err != nil {
		return err
	}
	_, err = v.releases.EditFirmware(v.ctx(), v.actor, v.product.ID, row.Version, fleet.FirmwareEdit{
		Title: &title, Description: &description, Notes: &notes, Hardware: &hardware, Requires: &requires, If: v.seen(),
	})
	return v.after(err, v.at("/firmware/"+row.Version.String()), "Saved.")
}

// image answers with the image itself.
func (v firmwarePages) image() error {
	row, _, err := v.version()
	if err != nil {
		return err
	}
	image, f, err := v.releases.Image(v.ctx(), v.actor, v.product.ID, row.Version)
	if err != nil {
		return err
	}
	defer image.Close()
	v.w.Header().Set("Content-Type", "application/octet-stream")
	v.w.Header().Set("Content-Length", strconv.FormatInt(f.Size, 10))
	v.w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": v.product.Slug + "-" + f.Version.String() + ".bin"}))
	if _, err := io.Copy(v.w, image); err != nil {
		v.log.Debug("console: the browser disconnected", "err", err)
	}
	return nil
}

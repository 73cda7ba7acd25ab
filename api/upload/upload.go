// Package upload is the operations of the REST API whose bodies are files: firmware images and
// lists of devices.
//
// It hides multipart bodies: their parts come in any order, an image goes to the disk as it
// arrives and its version is checked before it, and a long import answers line by line.
package upload

import (
	"net/http"

	"github.com/muster-iot/muster/api/rest"
	"github.com/muster-iot/muster/api/route"
	"github.com/muster-iot/muster/fleet"
)

// uploads takes files.
type uploads struct {
	*rest.API
}

// Tables returns the routes.
func Tables(a *rest.API) []route.Table {
	u := &uploads{API: a}
	return []route.Table{
		{Tag: "devices", Routes: []route.Route{u.importRoute()}},
		{Tag: "firmware", Routes: []route.Route{
			route.Post("UploadFirmware", "/v1/products/{product}/firmware", "Upload a firmware image as a new version", route.Needs(fleet.UploadFirmware), u.uploadFirmware).
				Created().Fails(http.StatusConflict),
		}},
	}
}

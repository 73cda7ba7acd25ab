package api

import (
	"context"
	"net/http"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// System says what serves.
type System struct {
	Name     string `json:"name" example:"muster"`
	Version  string `json:"version"`
	Protocol int    `json:"protocol" doc:"Version of the device protocol"`
}

func (s *server) system() {
	add(s, route{id: "GetVersion", method: http.MethodGet, path: "/v1/version", summary: "Version of the server", tag: "system", access: public},
		func(context.Context, fleet.Actor, *struct{}) (*reply[System], error) {
			return &reply[System]{System{Name: "muster", Version: s.config.Version, Protocol: wire.Protocol}}, nil
		})
}

package api

import (
	"encoding/json"
	"time"
)

// Device is the one shape of a device, wherever one is answered: Particle's fields, nRF
// Cloud's, and Muster's own.
type Device struct {
	ID                string          `json:"id"`
	Name              string          `json:"name"`
	Notes             string          `json:"notes"`
	ProductID         uint32          `json:"product_id"`
	FirmwareProductID uint32          `json:"firmware_product_id"`
	PlatformID        int             `json:"platform_id"`
	Groups            []string        `json:"groups" doc:"Names of those of its groups that you may see"`
	Running           Reported        `json:"firmware_version" doc:"The version it reported"`
	Lock              Version         `json:"desired_firmware_version" doc:"The version it is locked to; null: not locked"`
	Released          Version         `json:"targeted_firmware_release_version" doc:"Its target if only releases counted"`
	Target            Version         `json:"target_version" doc:"The version it should run; null: the one it runs"`
	TargetReason      string          `json:"target_reason" enum:"development,lock,group,default,none"`
	Development       bool            `json:"development"`
	Disabled          bool            `json:"disabled" doc:"It can't connect"`
	Online            bool            `json:"online"`
	Connected         bool            `json:"connected" doc:"The same as online"`
	LastHandshake     *time.Time      `json:"last_handshake_at"`
	LastHeard         *time.Time      `json:"last_heard"`
	LastAddress       *string         `json:"last_ip_address"`
	Status            string          `json:"status" enum:"normal"`
	UpdatesEnabled    bool            `json:"firmware_updates_enabled" doc:"False: the device said \"not now\""`
	UpdatesForced     bool            `json:"firmware_updates_forced" doc:"Updates are sent although the device said \"not now\""`
	Hardware          string          `json:"hardware" doc:"Hardware revision it reported"`
	Facts             json.RawMessage `json:"facts,omitempty" doc:"The facts it reported, such as battery and modem, as a JSON object"`
	EarlierFacts      []EarlierFact   `json:"earlier_facts,omitempty" doc:"Of a device fetched by its id: what its facts were before they changed, newest first"`
	Connections       []Connection    `json:"connections,omitempty" doc:"Of a device fetched by its id: its last connections, newest first"`
	Cellular          bool            `json:"cellular"`
	Quarantined       bool            `json:"quarantined"`
	Denied            bool            `json:"denied"`
	Functions         []string        `json:"functions"`
	Variables         struct{}        `json:"variables"`
	Update            *Update         `json:"update" doc:"Its newest update; null: none yet"`
	CoolingUntil      *time.Time      `json:"cooling_until" doc:"After a failed attempt at its target: when the next may begin; null: it does not wait. A retry ends the wait"`
	Tags              []string        `json:"tags" doc:"The same as groups"`
	Type              string          `json:"type" enum:"Generic,Gateway,BLE"`
	SubType           string          `json:"subType"`
	Gateway           string          `json:"gatewayId,omitempty" doc:"Of a BLE device: the gateway it is attached to"`
	Children          []string        `json:"bleDeviceIds,omitempty" doc:"Of a gateway fetched by its id: the BLE devices attached to it"`
	User              string          `json:"user_name,omitempty" doc:"Of a device fetched by its id: the MQTT user name it needs, id@team, because four older devices of other teams have its id; absent: its id"`
	Tenant            string          `json:"tenantId" doc:"The team's id"`
	Firmware          DeviceFirmware  `json:"firmware"`
	Meta              DeviceMeta      `json:"$meta"`
}

// EarlierFact is the value that a fact had until it changed.
type EarlierFact struct {
	Fact  string    `json:"fact" doc:"Its path" example:"modem.version"`
	Value string    `json:"value" doc:"At most 64 bytes of it"`
	Until time.Time `json:"until" doc:"When the device reported another value"`
}

// Connection is one connection of a device, or the session of a BLE device behind its gateway.
type Connection struct {
	Began  time.Time  `json:"began_at"`
	Ended  *time.Time `json:"ended_at" doc:"Null: it lasts, or the server stopped before it ended"`
	Lasts  bool       `json:"open" doc:"It is the one the device is online with"`
	Reason string     `json:"reason,omitempty" doc:"What ended it"`
	Code   *uint8     `json:"code,omitempty" doc:"The MQTT 5 reason code it ended with; 253 to 255: without one"`
}

// DeviceFirmware is what a device runs, in nRF Cloud's shape.
type DeviceFirmware struct {
	Supports []string `json:"supports" example:"APP"`
	App      AppName  `json:"app"`
}

// AppName is a firmware's name, its product's slug, and its version as a string.
type AppName struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// DeviceMeta is the record's own data, in nRF Cloud's shape.
type DeviceMeta struct {
	Created *time.Time `json:"createdAt"`
	Updated *time.Time `json:"updatedAt"`
	Version string     `json:"version" doc:"Changes when an operator changes what you see of the device, as its ETag does"`
}

// DeviceList is one page of a product's devices, in Particle's shape.
type DeviceList struct {
	Devices   []Device   `json:"devices"`
	Customers []struct{} `json:"customers"`
	Meta      ListMeta   `json:"meta"`
}

// ListMeta is the position and size of a page.
type ListMeta struct {
	TotalPages int `json:"total_pages"`
	Page       int `json:"page"`
	PerPage    int `json:"per_page"`
	Total      int `json:"total" doc:"Devices the filters select"`
}

// Flash sends one version to one online device, once.
type Flash struct {
	Version Version `json:"version"`
}

// Secret is a device's new secret.
type Secret struct {
	ID     string `json:"id"`
	Secret string `json:"secret" doc:"Shown only once"`
}

// Flashed is Particle's answer to a flash.
type Flashed struct {
	ID     string `json:"id"`
	Status string `json:"status"`
}

package api

// ImportLine is one line of an import that tells as it goes: of a device, or, without id,
// how far it is. The last line has done equal to total, or an error: what came before it
// is in, and the same import may be sent again.
type ImportLine struct {
	Line        int    `json:"line,omitempty" doc:"Of the device among those sent, from 1"`
	ID          string `json:"id,omitempty"`
	Outcome     string `json:"outcome,omitempty" enum:"updated,existing,nonmember,invalid"`
	Secret      string `json:"secret,omitempty" doc:"Of a new device: shown this once"`
	Done        *int   `json:"done,omitempty" doc:"Devices so far"`
	Total       int    `json:"total,omitempty"`
	Error       string `json:"error,omitempty"`
	Description string `json:"error_description,omitempty"`
}

// NewDevices asks for devices to be imported.
type NewDevices struct {
	ID         string   `json:"id,omitempty" doc:"One device"`
	IDs        []string `json:"ids,omitempty" doc:"Several"`
	Groups     Names    `json:"groups,omitempty" doc:"Their groups, by name; a missing one is created"`
	Gateway    string   `json:"gateway,omitempty" doc:"They are BLE devices attached to this gateway"`
	ClaimUser  Ignored  `json:"claim_user,omitzero"`
	ImportSIMs Ignored  `json:"import_sims,omitzero"`
}

// Imported is what became of each id, in Particle's shape, with the secrets.
type Imported struct {
	Updated   int               `json:"updated"`
	New       []string          `json:"updatedDeviceIds" doc:"Now in the product"`
	Existing  []string          `json:"existingDeviceIds" doc:"Were in it before"`
	Nonmember []string          `json:"nonmemberDeviceIds" doc:"Belong to another product or team"`
	Invalid   []string          `json:"invalidDeviceIds" doc:"Can't be a device id"`
	Protected []string          `json:"protectedDeviceIds"`
	Secrets   map[string]string `json:"secrets" doc:"Device id to secret, of the new ones: shown this once"`
}

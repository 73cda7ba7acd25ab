package api

// ImportLine is one line of an import that reports its progress: about a device or, without
// id, the progress. The last line has done equal to total, or an error: what precedes it was
// imported, and the same import may be sent again.
type ImportLine struct {
	Line        int    `json:"line,omitempty" doc:"Of the device among those sent, from 1"`
	ID          string `json:"id,omitempty"`
	Outcome     string `json:"outcome,omitempty" enum:"updated,existing,nonmember,invalid"`
	Secret      string `json:"secret,omitempty" doc:"Secret of a new device. Shown only once"`
	User        string `json:"user_name,omitempty" doc:"The MQTT user name that a new device needs, id@team, because four older devices of other teams have its id; absent: its id"`
	Done        *int   `json:"done,omitempty" doc:"Devices so far"`
	Total       int    `json:"total,omitempty"`
	Error       string `json:"error,omitempty"`
	Description string `json:"error_description,omitempty"`
}

// NewDevices asks for devices to be imported.
type NewDevices struct {
	ID         string      `json:"id,omitempty" doc:"One device"`
	IDs        []string    `json:"ids,omitempty" doc:"Several"`
	Devices    []NewDevice `json:"devices,omitempty" doc:"Several, with what is known of each"`
	Groups     Names       `json:"groups,omitempty" doc:"Groups of all of them, by name; a missing one is created"`
	Gateway    string      `json:"gateway,omitempty" doc:"Import BLE devices attached to this gateway"`
	ClaimUser  Ignored     `json:"claim_user,omitzero"`
	ImportSIMs Ignored     `json:"import_sims,omitzero"`
}

// NewDevice is a device to import with what is known of it.
type NewDevice struct {
	ID      string `json:"id"`
	Name    string `json:"name,omitempty"`
	Notes   string `json:"notes,omitempty"`
	Groups  Names  `json:"groups,omitempty" doc:"In addition to those of all devices"`
	Product string `json:"product,omitempty" doc:"Slug or number of another product of the team that it is added to"`
	Secret  string `json:"secret,omitempty" doc:"The secret it has already, 16 to 256 bytes; absent: a new one is generated"`
	Hash    string `json:"secret_sha256,omitempty" doc:"The SHA-256 of the secret it has already, in hexadecimal digits, in place of the secret"`
}

// Imported is what became of each id, in Particle's shape, with the secrets.
type Imported struct {
	Updated   int               `json:"updated"`
	New       []string          `json:"updatedDeviceIds" doc:"Added to the product"`
	Existing  []string          `json:"existingDeviceIds" doc:"In the product already"`
	Nonmember []string          `json:"nonmemberDeviceIds" doc:"Belong to another product of the team"`
	Invalid   []string          `json:"invalidDeviceIds" doc:"Not a valid device id"`
	Protected []string          `json:"protectedDeviceIds"`
	Secrets   map[string]string `json:"secrets" doc:"Secret generated for each new device, by id. Shown only once"`
	Users     map[string]string `json:"user_names,omitempty" doc:"The MQTT user names, id@team, of the new devices that need one, because four older devices of other teams have their id"`
	NewGroups []string          `json:"new_groups,omitempty" doc:"With dry_run: groups that would be created"`
	ByVersion []VersionCount    `json:"by_version,omitempty" doc:"With dry_run: new devices by the version they would receive at their first handshake"`
}

package api

// Group is a device group in Particle's shape.
type Group struct {
	Name        string  `json:"name"`
	Description string  `json:"description"`
	Color       string  `json:"color" example:"#2f6fde"`
	Release     Version `json:"fw_version" doc:"The version released to it; null: none"`
	Devices     int     `json:"device_count" doc:"Number of its members that you may see"`
	ProductID   *uint32 `json:"product_id" doc:"Its product; null: any device of the team can join"`
}

// GroupList is groups by name.
type GroupList struct {
	Groups []Group `json:"groups"`
}

// OneGroup wraps a group as Particle does.
type OneGroup struct {
	Group Group `json:"group"`
}

// GroupFields are what a group is created with and changed by.
type GroupFields struct {
	Name        *string `json:"name,omitempty" doc:"1 to 64 of A-Z a-z 0-9 _ . @ : # -"`
	Description *string `json:"description,omitempty"`
	Color       *string `json:"color,omitempty" example:"#2f6fde"`
}

// Product is a product in Particle's shape.
type Product struct {
	ID             uint32   `json:"id"`
	PlatformID     int      `json:"platform_id"`
	Name           string   `json:"name"`
	Slug           string   `json:"slug"`
	Description    string   `json:"description"`
	Groups         []string `json:"groups" doc:"Names of the groups its devices may be in"`
	OrganizationID string   `json:"organization_id" doc:"The team's id"`
	Settings       struct{} `json:"settings"`
	Roaming        string   `json:"roaming" enum:"none,groups,team" doc:"Which gateways may attach its BLE devices by themselves, also while another gateway has them: none; those that share a group with the device, if it has any; all of the team"`
	AutoRegister   int      `json:"auto_register" doc:"How many unknown BLE devices a gateway may add"`
}

// ProductList is every product of the team.
type ProductList struct {
	Products []Product `json:"products"`
}

// OneProduct wraps a product as Particle does.
type OneProduct struct {
	Product Product `json:"product"`
}

// ProductFields are what a product is created with and changed by.
type ProductFields struct {
	Name         *string `json:"name,omitempty"`
	Slug         *string `json:"slug,omitempty" doc:"1 to 64 of a-z 0-9 - with a letter; absent: derived from the name"`
	Description  *string `json:"description,omitempty"`
	Roaming      *string `json:"roaming,omitempty" enum:"none,groups,team" doc:"absent when created: groups"`
	AutoRegister *int    `json:"auto_register,omitempty"`
	PlatformID   Ignored `json:"platform_id,omitzero"`
	Settings     Ignored `json:"settings,omitzero"`
	Type         Ignored `json:"type,omitzero"`
}

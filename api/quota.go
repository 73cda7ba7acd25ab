package api

// Quota is one of the team's quotas, and how much of it is used.
type Quota struct {
	Name   string `json:"name" example:"devices"`
	Used   int64  `json:"used"`
	Limit  *int64 `json:"limit" doc:"null: no limit of its own"`
	Share  int64  `json:"share,omitempty" doc:"How much no other team can take away, of what all teams use together"`
	Unit   string `json:"unit" example:"devices"`
	Advice string `json:"advice" doc:"What to do when it is used up"`
}

// QuotaList is the team's quotas.
type QuotaList struct {
	Quotas []Quota `json:"quotas"`
}

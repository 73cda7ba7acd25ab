package api

import (
	"encoding/json"
	"time"
)

// Alert is something a person should look at.
type Alert struct {
	ID     string          `json:"id"`
	Device string          `json:"deviceId"`
	Type   uint64          `json:"type" doc:"A number the device chose; 0 if Muster raised the alert"`
	Name   string          `json:"name" doc:"Muster's name for it"`
	Text   string          `json:"description"`
	Value  json.RawMessage `json:"value,omitempty" doc:"The value the device sent with it, as JSON"`
	Raised time.Time       `json:"createdAt"`
	Status string          `json:"status" enum:"ACTIVE,ARCHIVED"`
}

// Event is the data of one event in a stream, in Particle's shape.
type Event struct {
	Data      string    `json:"data" doc:"A word or JSON"`
	TTL       int       `json:"ttl"`
	Published time.Time `json:"published_at"`
	CoreID    string    `json:"coreid" doc:"Device id, or api"`
	Product   uint32    `json:"productID,omitempty"`
	Version   *Reported `json:"version,omitempty" doc:"What the device runs"`
	Public    bool      `json:"public"`
}

// Message is what a device sent, in nRF Cloud's shape.
type Message struct {
	Topic    string    `json:"topic"`
	Device   string    `json:"deviceId"`
	Received time.Time `json:"receivedAt"`
	Tenant   string    `json:"tenantId"`
	Message  Payload   `json:"message" doc:"JSON as it was sent; other bytes as {\"base64\": ...}"`
}

// NewCommand asks for a command to be queued.
type NewCommand struct {
	Name      string  `json:"name,omitempty" doc:"The part of the topic after the number"`
	Message   Payload `json:"message" doc:"Any JSON, or {\"base64\": ...} for other bytes"`
	ExpiresIn uint32  `json:"expires_in,omitempty" doc:"Seconds to wait for the device; absent: the server's default"`
}

// Command is a command with what became of it.
type Command struct {
	Number  uint32     `json:"number"`
	Device  string     `json:"deviceId"`
	Name    string     `json:"name"`
	Message Payload    `json:"message"`
	Queued  *time.Time `json:"queued_at"`
	Expires *time.Time `json:"expires_at"`
	Done    *time.Time `json:"done_at" doc:"null until the device answered"`
	Result  Payload    `json:"result,omitempty" doc:"The device's answer"`
}

// NewMessage is nRF Cloud's SendDeviceMessage: a command by another name.
type NewMessage struct {
	Topic   string  `json:"topic,omitempty" doc:"Name of the command"`
	Message Payload `json:"message"`
}

// Package ble simulates BLE devices behind gateways: connections that a gateway's own carries,
// a radio with delay, loss and limited rate, devices that move between gateways, and gateways
// that cache images (docs/gateways.md). A device does not notice: it runs over a Conn either
// way.
package ble

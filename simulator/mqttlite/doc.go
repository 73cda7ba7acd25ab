// Package mqttlite is a light MQTT client: one connection of MQTT 3.1.1 over TCP, TLS or
// WebSocket, about 5 KB each, so that one process can have tens of thousands. It reads and
// writes the few packets that a device of Muster needs, at QoS 0 and 1, and never reconnects.
package mqttlite
